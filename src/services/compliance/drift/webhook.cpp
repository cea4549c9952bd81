#include "services/compliance/drift/webhook.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace tidegate::compliance {
namespace {

constexpr Duration kFirstPause = std::chrono::seconds(1);
constexpr Duration kLongestPause = std::chrono::minutes(5);

/// Hears of one try; the answer's body is nobody's business.
class Trying final : public http::CallHandler {
  public:
    using Done = std::function<void(std::optional<std::string> failure)>;
    explicit Trying(Done done) : done_(std::move(done)) {}

    void on_head(http::ResponseHead head) override { status_ = head.status; }
    bool on_body(std::string_view) override { return true; }
    void on_end() override {
        if (status_ >= 200 && status_ < 300) return end(std::nullopt);
        end("it answered " + std::to_string(status_));
    }
    void on_failure(const http::CallFailure& failure) override {
        end(std::string(http::to_string(failure.kind)) + " at " + std::string(http::to_string(failure.stage)));
    }

  private:
    void end(std::optional<std::string> failure) {
        if (const auto done = std::exchange(done_, nullptr)) done(std::move(failure));
    }
    Done done_;
    int status_ = 0;
};

Duration pause_after(std::uint32_t tries) {
    // 2^9 s is beyond the longest already.
    return std::min<Duration>(kFirstPause * (1U << std::min(tries - 1, 9U)), kLongestPause);
}

}  // namespace

Result<std::unique_ptr<Webhook>> Webhook::create(const DriftWebhookSettings& settings, const Clock& clock,
                                                 std::function<void()> on_progress) {
    if (!settings.secret.is_set()) {
        return fail(ErrorCode::kInvalidArgument, "drift.webhook.url needs drift.webhook.secret: every post is signed");
    }
    auto parsed = jobs::parse_webhook_url(settings.url);
    if (!parsed) return fail(ErrorCode::kInvalidArgument, "drift.webhook.url: " + parsed.error().message);
    jobs::WebhookTarget target = *std::move(parsed);
    const auto literal = http::numeric_address(target.origin.host);
    if (literal && jobs::is_private(*literal) && !settings.allow_private) {
        return fail(ErrorCode::kInvalidArgument,
                    "drift.webhook.url leads to a private address; drift.webhook.allow_private would let it");
    }
    return std::unique_ptr<Webhook>(new Webhook(settings, std::move(target), clock, std::move(on_progress)));
}

Webhook::Webhook(const DriftWebhookSettings& settings, jobs::WebhookTarget target, const Clock& clock,
                 std::function<void()> on_progress)
    : settings_(settings), target_(std::move(target)), clock_(clock), on_progress_(std::move(on_progress)) {}

void Webhook::on_loop_start(pipeline::LoopParts& parts) {
    if (parts.index != 0) return;
    parts_ = &parts;
    {
        const Lock lock(mutex_);
        mailbox_ = parts.loop.mailbox();
    }
    on_progress_();
}

void Webhook::on_loop_stop(pipeline::LoopParts& parts) {
    if (parts.index != 0) return;
    parts_ = nullptr;
    const Lock lock(mutex_);
    mailbox_.reset();
}

void Webhook::add(Notice notice) {
    if (posts_.size() >= settings_.waiting_max) {
        ended_.push_back(notice.id);
        const Lock lock(mutex_);
        ++health_.dropped;
        return;
    }
    posts_.push_back({std::move(notice), 0, {}});
    const Lock lock(mutex_);
    health_.waiting = posts_.size();
}

void Webhook::pump() {
    take_outcome();
    if (trying_ || posts_.empty() || clock_.now() < posts_.front().due) return;
    begin(posts_.front());
}

void Webhook::take_outcome() {
    std::optional<Outcome> outcome;
    {
        const Lock lock(mutex_);
        outcome = std::exchange(outcome_, std::nullopt);
    }
    if (!outcome || posts_.empty()) return;
    end_try(std::move(outcome->failure));
}

void Webhook::end_try(std::optional<std::string> failure) {
    trying_ = false;
    Post& post = posts_.front();
    ++post.tries;
    const bool dead = failure && post.tries >= settings_.attempts_max;
    if (failure && !dead) post.due = clock_.now() + pause_after(post.tries);
    if (!failure || dead) {
        ended_.push_back(post.notice.id);
        posts_.pop_front();
    }
    const Lock lock(mutex_);
    health_.waiting = posts_.size();
    if (!failure) {
        ++health_.sent;
        return;
    }
    ++health_.failed_tries;
    if (dead) ++health_.dead;
    health_.reason = *std::move(failure);
}

http::ClientRequest Webhook::request_of(const Post& post) const {
    http::ClientRequest request;
    request.method = "POST";
    request.target = target_.target;
    request.headers.add("Host", target_.host);
    request.headers.add("Content-Type", "application/json");
    request.headers.add("User-Agent", "tidegate");
    request.headers.add("X-Tidegate-Event", "drift.alert." + post.notice.event);
    request.headers.add("X-Tidegate-Delivery", std::to_string(post.notice.id));
    request.headers.add("X-Tidegate-Signature",
                        jobs::webhook_signature(settings_.secret.reveal(), clock_.unix_ms(), post.notice.body));
    request.body = post.notice.body;
    return request;
}

void Webhook::begin(const Post& post) {
    std::shared_ptr<runtime::Mailbox> mailbox;
    {
        const Lock lock(mutex_);
        mailbox = mailbox_;
    }
    if (!mailbox) return;  // The loops do not run yet, or no more: it waits.
    trying_ = true;
    auto origin = jobs::resolve(target_, settings_.allow_private, look_up_);
    if (!origin) return end_try(origin.error().message);
    const http::CallTimes times{.connect_max = settings_.timeout,
                                .first_byte_max = settings_.timeout,
                                .idle_max = settings_.timeout,
                                .total_max = settings_.timeout};
    const bool posted = mailbox->post([this, origin = *std::move(origin), request = request_of(post), times]() mutable {
        if (parts_ == nullptr) return;
        parts_->client->start(
            origin, std::move(request), times,
            std::make_shared<Trying>([this](std::optional<std::string> failure) { finish_try(std::move(failure)); }));
    });
    if (!posted) trying_ = false;
}

void Webhook::finish_try(std::optional<std::string> failure) {
    {
        const Lock lock(mutex_);
        outcome_ = Outcome{std::move(failure)};
    }
    on_progress_();
}

std::vector<std::uint64_t> Webhook::ended() {
    return std::exchange(ended_, {});
}

WebhookHealth Webhook::health() const {
    const Lock lock(mutex_);
    return health_;
}

}  // namespace tidegate::compliance
