#include "app/ingest_upload.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "base/json.h"
#include "http/client/client_counters.h"
#include "runtime/event_loop.h"
#include "runtime/worker_pool.h"

namespace tidegate::app {
namespace {

constexpr std::size_t kBatchBytesMax = 8 * 1024 * 1024;
constexpr std::size_t kRefusalBytesMax = 4 * 1024;
constexpr std::uint64_t kRefusalsShownMax = 20;

/// Lines that go together.
struct Batch {
    std::string text;
    std::uint64_t first_line = 1;  // In the file.
    std::uint64_t lines = 0;       // Left in `text`.

    /// The first so many are acknowledged.
    void drop(std::uint64_t count) {
        std::size_t at = 0;
        for (std::uint64_t i = 0; i < count && at < text.size(); ++i)
            at = std::min(text.find('\n', at), text.size() - 1) + 1;
        text.erase(0, at);
        first_line += count;
        lines -= count;
    }
};

struct SharedUpload {
    runtime::EventLoop& loop;
    http::Client& client;
    const UploadOptions& options;
    UploadCounts counts;
    std::uint64_t shown = 0;

    void show(std::uint64_t line, std::string_view what) {
        if (++shown > kRefusalsShownMax) return;
        fmt::print(stderr, "line {}: {}{}\n", line, what,
                   shown == kRefusalsShownMax ? " (further ones are only counted)" : "");
    }
};

/// One connection's batch, from its first attempt to its last acknowledgement.
class Sender final : public http::CallHandler, public std::enable_shared_from_this<Sender> {
  public:
    explicit Sender(SharedUpload& shared) : shared_(shared) {}

    bool idle() const { return !busy_ && batch_.lines == 0; }
    void give(Batch batch) {
        batch_ = std::move(batch);
        fruitless_ = 0;
        start();
    }
    /// Tries again when its time has come.
    void tick() {
        if (!busy_ && batch_.lines > 0 && shared_.loop.now() >= retry_at_) start();
    }

    void on_head(http::ResponseHead head) override { status_ = head.status; }
    bool on_body(std::string_view bytes) override {
        pending_.append(bytes);
        if (status_ != 200) {
            pending_.resize(std::min(pending_.size(), kRefusalBytesMax));
            return true;
        }
        std::size_t at = 0;
        for (std::size_t end = 0; (end = pending_.find('\n', at)) != std::string::npos; at = end + 1) {
            take_line(std::string_view(pending_).substr(at, end - at));
        }
        pending_.erase(0, at);
        return true;
    }
    void on_end() override {
        busy_ = false;
        if (status_ == 200) return settle(whole_ ? std::string() : "the server has stopped reading");
        const std::string why = fmt::format("the server answers {}: {}", status_, pending_);
        if (status_ == 429 || status_ >= 500) return settle(why);
        give_up(why);
    }
    void on_failure(const http::CallFailure& failure) override {
        busy_ = false;
        settle(fmt::format("{} ({})", failure.detail, http::to_string(failure.kind)));
    }

  private:
    void start() {
        busy_ = true;
        whole_ = false;
        stuck_ = false;
        status_ = 0;
        acknowledged_ = 0;
        pending_.clear();
        http::ClientRequest request;
        request.method = "POST";
        request.target = "/api/v1/decisions/batch";
        request.headers.add("Content-Type", "application/x-ndjson");
        if (!shared_.options.key.empty()) request.headers.add("Authorization", "Bearer " + shared_.options.key);
        request.body = batch_.text;
        shared_.client.start(shared_.options.origin, std::move(request), {}, shared_from_this());
    }

    void take_line(std::string_view text) {
        const auto document = json::parse(text);
        if (!document || document->root().kind() != json::Kind::kObject) return;
        const json::Value root = document->root();
        if (root.find("end")) {
            const auto stopped = root.find("stopped");
            whole_ = !stuck_ && stopped && stopped->kind() == json::Kind::kBool && !stopped->as_bool();
            if (whole_) acknowledged_ = batch_.lines;
            return;
        }
        const auto line = root.find("line");
        const auto outcome = root.find("outcome");
        if (!line || !outcome || !line->is_integer() || outcome->kind() != json::Kind::kString) return;
        take_outcome(static_cast<std::uint64_t>(line->as_int()), outcome->as_string(), root, text);
    }

    void take_outcome(std::uint64_t line, std::string_view outcome, json::Value root, std::string_view text) {
        // Behind a line that was not taken nothing counts: it is all sent again.
        if (stuck_ || line > batch_.lines) return;
        UploadCounts& counts = shared_.counts;
        if (outcome == "failed") {
            const auto error = root.find("error");
            if (error && error->kind() == json::Kind::kString && error->as_string() == "unavailable") {
                stuck_ = true;
                return;
            }
            ++counts.failed;
        } else if (outcome == "recorded") {
            ++counts.recorded;
        } else if (outcome == "duplicate") {
            ++counts.duplicates;
        } else if (outcome == "conflict") {
            ++counts.conflicts;
        } else {
            ++counts.invalid;
        }
        acknowledged_ = line;
        if (outcome != "recorded" && outcome != "duplicate") shared_.show(batch_.first_line + line - 1, text);
    }

    /// The attempt is over; `why` is empty when it has brought everything.
    void settle(const std::string& why) {
        fruitless_ = acknowledged_ > 0 ? 0 : fruitless_ + 1;
        batch_.drop(acknowledged_);
        if (batch_.lines == 0) return;
        if (fruitless_ >= shared_.options.attempts_max) return give_up(why);
        const auto wait = std::chrono::milliseconds(100) * (1U << std::min(fruitless_, 6U));
        retry_at_ = shared_.loop.now() + wait;
        fmt::print(stderr, "{}; going on at line {}\n", why, batch_.first_line);
    }
    void give_up(const std::string& why) {
        batch_.drop(acknowledged_);
        shared_.counts.failed += batch_.lines;
        if (shared_.counts.gave_up.empty()) shared_.counts.gave_up = why;
        batch_ = {};
    }

    SharedUpload& shared_;
    Batch batch_;
    std::string pending_;
    std::uint64_t acknowledged_ = 0;  // Lines of the batch, in this attempt.
    int status_ = 0;
    unsigned fruitless_ = 0;
    SteadyTime retry_at_{};
    bool busy_ = false;
    bool whole_ = false;
    bool stuck_ = false;
};

std::optional<Batch> read_batch(std::istream& in, std::size_t lines_max, std::uint64_t& next_line) {
    Batch batch;
    batch.first_line = next_line;
    std::string line;
    while (batch.lines < lines_max && batch.text.size() < kBatchBytesMax && std::getline(in, line)) {
        batch.text.append(line).push_back('\n');
        ++batch.lines;
    }
    next_line += batch.lines;
    if (batch.lines == 0) return std::nullopt;
    return batch;
}

}  // namespace

Result<UploadCounts> upload(std::istream& in, const UploadOptions& options) {
    const SystemClock clock;
    TG_TRY(const auto loop, runtime::EventLoop::create(clock));
    runtime::WorkerPool names("resolve", 1, 16);
    http::ClientCounters counters;
    const auto client = http::make_client(*loop, names, {}, counters);
    SharedUpload shared{.loop = *loop, .client = *client, .options = options, .counts = {}};
    std::vector<std::shared_ptr<Sender>> senders;
    for (unsigned i = 0; i < options.connections; ++i) senders.push_back(std::make_shared<Sender>(shared));
    std::uint64_t next_line = 1;
    bool more = true;
    SteadyTime told = clock.now();
    loop->turn(Duration(0));
    while (true) {
        for (const auto& sender : senders) {
            sender->tick();
            if (!sender->idle() || !more || !shared.counts.gave_up.empty()) continue;
            auto batch = read_batch(in, options.batch, next_line);
            more = batch.has_value();
            if (!batch) continue;
            shared.counts.sent += batch->lines;
            sender->give(*std::move(batch));
        }
        if (std::ranges::all_of(senders, [](const auto& sender) { return sender->idle(); }) &&
            (!more || !shared.counts.gave_up.empty())) {
            break;
        }
        loop->turn(std::chrono::milliseconds(50));
        if (clock.now() - told < std::chrono::seconds(2)) continue;
        told = clock.now();
        fmt::print(stderr, "{} lines sent, {} recorded\n", shared.counts.sent, shared.counts.recorded);
    }
    return shared.counts;
}

}  // namespace tidegate::app
