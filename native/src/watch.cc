// watchPidfd: the end of a process as an event of the loop.
#include "watch.h"

#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <memory>
#include <optional>

#include "arguments.h"
#include "errors.h"
#include "pidfd.h"

namespace domctl {
namespace {

// Lives until libuv has closed the handle (`self_`), whatever becomes of the JavaScript function that stops it.
class Watch {
 public:
  static std::shared_ptr<Watch> start(int pidfd, const Napi::Function& onExit, bool unref) {
    auto watch = std::make_shared<Watch>(pidfd, onExit);
    watch->open(watch, unref);
    return watch;
  }

  Watch(int pidfd, const Napi::Function& onExit)
      : env_(onExit.Env()), pidfd_(pidfd), onExit_(Napi::Persistent(onExit)) {}

  void stop() noexcept {
    if (!self_ || closing_) return;
    closing_ = true;
    uv_close(reinterpret_cast<uv_handle_t*>(&handle_), [](uv_handle_t* handle) { of(handle)->closed(); });
  }

 private:
  template <typename Handle>
  static Watch* of(Handle* handle) noexcept {
    return static_cast<Watch*>(handle->data);
  }

  void open(const std::shared_ptr<Watch>& self, bool unref) {
    uv_loop_t* loop = nullptr;
    napi_get_uv_event_loop(env_, &loop);
    const int error = uv_poll_init(loop, &handle_, pidfd_);
    if (error != 0) {
      close(pidfd_);
      throwKernelError(env_, -error, "uv_poll_init");
    }
    handle_.data = this;
    self_ = self;
    context_.emplace(env_, "domctl.pidfd");
    // A loop that ends (a worker's) must find no open handle.
    napi_add_async_cleanup_hook(
        env_, [](napi_async_cleanup_hook_handle, void* data) { static_cast<Watch*>(data)->stop(); }, this, &hook_);
    uv_poll_start(&handle_, UV_READABLE, [](uv_poll_t* handle, int, int) { of(handle)->readable(); });
    if (unref) uv_unref(reinterpret_cast<uv_handle_t*>(&handle_));
  }

  // The event is a hint; the descriptor is asked.
  void readable() {
    if (!hasExited(pidfd_)) return;
    const auto status = reap(pidfd_, Wait::Now);
    stop();
    report(status);
  }

  // Not through node-addon-api: Node runs the loop once more when an environment ends, every call into JavaScript
  // fails then (and after a worker's process.exit within the callback), and for want of an exception it would abort
  // the process. There is nobody left to tell, so failures are passed over.
  void report(const ExitStatus& status) {
    const Napi::HandleScope scope(env_);
    napi_value argument = nullptr;
    napi_create_object(env_, &argument);
    napi_set_named_property(env_, argument, "code", numberOrNull(status.code));
    napi_set_named_property(env_, argument, "signal", numberOrNull(status.signal));
    napi_make_callback(env_, *context_, env_.Global(), onExit_.Value(), 1, &argument, nullptr);
    raiseUncaught();
  }

  napi_value numberOrNull(std::optional<int> number) const {
    napi_value value = env_.Null();
    if (number) napi_create_int32(env_, *number, &value);
    return value;
  }

  // There is no JavaScript below us to catch what the callback threw.
  void raiseUncaught() const {
    bool thrown = false;
    napi_value exception = nullptr;
    napi_is_exception_pending(env_, &thrown);
    if (thrown && napi_get_and_clear_last_exception(env_, &exception) == napi_ok) napi_fatal_exception(env_, exception);
  }

  // Only now has the loop forgotten the descriptor, so that its number may be used again.
  void closed() {
    const Napi::HandleScope scope(env_);
    close(pidfd_);
    onExit_.Reset();
    context_.reset();
    napi_remove_async_cleanup_hook(hook_);
    const auto last = std::move(self_);
  }

  Napi::Env env_;
  int pidfd_;
  Napi::FunctionReference onExit_;
  std::optional<Napi::AsyncContext> context_;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  uv_poll_t handle_{};
  bool closing_ = false;
  std::shared_ptr<Watch> self_;
};

}  // namespace

// SAFETY: watches a duplicate of its own, so the caller may close its descriptor at any time; libuv makes the open
// file description they share non-blocking. Loop thread only. Reaps our own child: never watch a child of
// node:child_process, libuv would miss its status. Of two watches of a process only one learns the status, the other
// both null; so does the watch of a child held by a tracer at that moment.
Napi::Value watchPidfd(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto pidfd = readDescriptor(info[0], "pidfd");
  if (!info[1].IsFunction()) throw Napi::TypeError::New(env, "onExit must be a function");
  const bool unref = readBoolean(info[2], "unref");
  requirePidfd(env, pidfd);
  const int copy = fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
  if (copy == -1) throwErrno(env, "dup", pidfd);
  auto watch = Watch::start(copy, info[1].As<Napi::Function>(), unref);
  return Napi::Function::New(env, [watch](const Napi::CallbackInfo&) { watch->stop(); }, "stop");
}

}  // namespace domctl
