#define _GNU_SOURCE
#include "words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
  const char *name;
  enum WordKind kind;
} kNames[] = {
    {"beat", kBeat}, {"bound", kBound}, {"drain", kDrain}, {"thaw", kThaw}, {"brake", kBrake}, {"lift", kLift},
};

/* What was taken makes room; a line that does not fit is no line of ours, and is dropped. */
static void makeRoom(struct Ear *ear) {
  memmove(ear->text, ear->text + ear->taken, (size_t)(ear->length - ear->taken));
  ear->length -= ear->taken;
  ear->taken = 0;
  if (ear->length == kLongestLine) ear->length = 0;
}

int listenTo(struct Ear *ear, int fd) {
  makeRoom(ear);
  const ssize_t count = read(fd, ear->text + ear->length, (size_t)(kLongestLine - ear->length));
  if (count > 0) ear->length += (int)count;
  return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
}

static enum WordKind kindOf(const char *name) {
  for (size_t i = 0; i < sizeof kNames / sizeof *kNames; i++)
    if (strcmp(kNames[i].name, name) == 0) return kNames[i].kind;
  return kUnknown;
}

int nextWord(struct Ear *ear, struct Word *word) {
  char *line = ear->text + ear->taken;
  char *end = memchr(line, '\n', (size_t)(ear->length - ear->taken));
  if (!end) return 0;
  *end = '\0';
  ear->taken += (int)(end - line) + 1;
  char *space = strchr(line, ' ');
  if (space) *space = '\0';
  word->path = space ? space + 1 : "";
  word->number = strtoll(word->path, NULL, 10);
  word->kind = kindOf(line);
  return 1;
}

void say(const char *format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  if (length > (int)sizeof line - 2) length = (int)sizeof line - 2;
  line[length] = '\n';
  if (write(STDOUT_FILENO, line, (size_t)length + 1) < 0) return;
}
