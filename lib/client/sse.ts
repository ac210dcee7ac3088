/** Server-sent events from text, as the standard's `text/event-stream` has them; names and retry times are not needed here. */

/** What a blank line ends. `id` null: it had none. `data` null: a comment, or a number alone. */
export interface ServerSentEvent {
  readonly id: string | null;
  readonly data: string | null;
}

/** The whole events of a stream; what its end cuts off is none. */
export async function* readEvents(chunks: AsyncIterable<Buffer>): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder();
  let held = '';
  for await (const chunk of chunks) {
    const blocks = (held + decoder.decode(chunk, { stream: true })).split('\n\n');
    held = blocks.pop() ?? '';
    yield* blocks.map(parseBlock);
  }
}

function parseBlock(block: string): ServerSentEvent {
  const fields = block.split('\n').map((line) => /^(\w*):? ?(.*)$/.exec(line) ?? ['', '', '']);
  const valuesOf = (name: string): string[] =>
    fields.filter(([, field]) => field === name).map(([, , value = '']) => value);
  const data = valuesOf('data');
  return { id: valuesOf('id').at(-1) ?? null, data: data.length === 0 ? null : data.join('\n') };
}
