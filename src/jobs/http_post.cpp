#include "jobs/http_post.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/mutex.h"
#include "base/strings.h"

namespace tidegate::jobs {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(100);
constexpr std::uint64_t kRetryAfterMaxS = 3'600;  // A receiver that says more is asked in an hour.

/// Whoever waits for a call, and the call's handler, share it.
class Waiting final : public http::CallHandler {
  public:
    void on_head(http::ResponseHead head) override {
        answer_.status = head.status;
        if (const auto after = head.headers.get("retry-after")) {
            if (const auto seconds = parse_u64(trim(*after))) {
                answer_.retry_after = std::chrono::seconds(std::min(*seconds, kRetryAfterMaxS));
            }
        }
    }
    bool on_body(std::string_view) override { return true; }
    void on_end() override { end(answer_); }
    void on_failure(const http::CallFailure& failure) override {
        end(fail(ErrorCode::kUnavailable,
                 std::string(http::to_string(failure.kind)) + " at " + std::string(http::to_string(failure.stage))));
    }

    void end(Result<PostAnswer> outcome) {
        const Lock lock(mutex_);
        if (!outcome_) outcome_ = std::move(outcome);
        ended_.notify_all();
    }
    Result<PostAnswer> wait(const std::function<bool()>& gives_up) {
        const Lock lock(mutex_);
        while (!outcome_ && !gives_up()) ended_.wait_for(mutex_, kLook);
        if (!outcome_) return fail(ErrorCode::kCancelled, "nobody waits for it any more");
        return *outcome_;
    }

  private:
    PostAnswer answer_;  // The loop's.
    Mutex mutex_;
    Condition ended_;
    std::optional<Result<PostAnswer>> outcome_ TG_GUARDED_BY(mutex_);
};

}  // namespace

Result<std::unique_ptr<HttpPost>> HttpPost::create(const Clock& clock) {
    TG_TRY(auto loop, runtime::EventLoop::create(clock));
    return std::unique_ptr<HttpPost>(new HttpPost(std::move(loop)));
}

HttpPost::HttpPost(std::unique_ptr<runtime::EventLoop> loop) : look_ups_("post-names", 1, 16), loop_(std::move(loop)) {
    // Kept connections would go to addresses judged some time ago, and posts are few.
    http::ClientOptions options;
    options.idle_connections_max = 0;
    client_ = http::make_client(*loop_, look_ups_, options, counters_);
    thread_ = std::thread([this] { loop_->run(); });
}

HttpPost::~HttpPost() {
    loop_->stop();
    thread_.join();
    client_.reset();
}

Result<PostAnswer> HttpPost::post(const http::Origin& origin, http::ClientRequest request, Duration time_max,
                                  const std::function<bool()>& gives_up) {
    const http::CallTimes times{
        .connect_max = time_max, .first_byte_max = time_max, .idle_max = time_max, .total_max = time_max};
    const auto waiting = std::make_shared<Waiting>();
    loop_->mailbox()->post([this, origin, request = std::move(request), times, waiting]() mutable {
        client_->start(origin, std::move(request), times, waiting);
    });
    return waiting->wait(gives_up);
}

}  // namespace tidegate::jobs
