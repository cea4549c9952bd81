// The routes of reading over a real log, asked with keys of several tenants.
#pragma once

#include <gmock/gmock.h>

#include <future>

#include "audit_views/log_history_fixture.h"
#include "base/json.h"
#include "pipeline/dispatcher.h"
#include "pipeline_identity/fixture.h"
#include "runtime/event_loop.h"
#include "services/compliance/query_routes.h"

namespace tidegate::compliance {

/// A stream's client: reads what it is sent, or nothing while it is slow.
class ClientStream final : public http::Stream {
  public:
    Outcome write(std::string_view bytes) override {
        const Lock lock(mutex_);
        if (gone_) return Outcome::kGone;
        if (slow_) return Outcome::kFull;
        longest_ = std::max(longest_, bytes.size());
        total_ += bytes.size();
        body_.append(bytes);
        changed_.notify_all();
        return Outcome::kAccepted;
    }
    Outcome write_wait(std::string_view bytes, Duration) override { return write(bytes); }
    void on_room(std::move_only_function<void()> callback) override {
        const Lock lock(mutex_);
        room_ = std::move(callback);
    }
    void finish() override {
        const Lock lock(mutex_);
        finished_ = true;
        changed_.notify_all();
    }
    bool client_gone() const noexcept override {
        const Lock lock(mutex_);
        return gone_;
    }

    void set_slow(bool slow) {
        std::move_only_function<void()> told;
        {
            const Lock lock(mutex_);
            slow_ = slow;
            if (!slow) told = std::exchange(room_, nullptr);
        }
        if (told) told();
    }
    void leave() {
        const Lock lock(mutex_);
        gone_ = true;
    }
    std::string body() const {
        const Lock lock(mutex_);
        return body_;
    }
    bool finished() const {
        const Lock lock(mutex_);
        return finished_;
    }
    std::size_t longest_write() const {
        const Lock lock(mutex_);
        return longest_;
    }
    /// Waits until the body holds `text` so many times, a minute at most.
    bool wait_for(std::string_view text, std::size_t times = 1) {
        const Lock lock(mutex_);
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
        while (true) {
            std::size_t found = 0;
            for (std::size_t at = body_.find(text); at != std::string::npos; at = body_.find(text, at + 1)) ++found;
            if (found >= times) return true;
            if (std::chrono::steady_clock::now() > give_up) return false;
            changed_.wait_for(mutex_, std::chrono::milliseconds(100));
        }
    }

  private:
    mutable Mutex mutex_;
    Condition changed_;
    std::string body_ TG_GUARDED_BY(mutex_);
    std::size_t total_ TG_GUARDED_BY(mutex_) = 0;
    std::size_t longest_ TG_GUARDED_BY(mutex_) = 0;
    bool slow_ TG_GUARDED_BY(mutex_) = false;
    bool gone_ TG_GUARDED_BY(mutex_) = false;
    bool finished_ TG_GUARDED_BY(mutex_) = false;
    std::move_only_function<void()> room_ TG_GUARDED_BY(mutex_);
};

class Asked final : public http::Exchange {
  public:
    Asked(http::RequestHead head, std::string body, runtime::EventLoop& loop)
        : head_(std::move(head)), body_(std::move(body)), loop_(loop) {}
    const http::RequestHead& head() const noexcept override { return head_; }
    std::string_view body() const noexcept override { return body_; }
    SteadyTime received_at() const noexcept override { return {}; }
    void respond(http::Response response) override {
        answer_ = std::move(response);
        answered_ = true;
        ready_.set_value();
    }
    std::shared_ptr<http::Stream> start_stream(http::Response response) override {
        stream_ = std::make_shared<ClientStream>();
        auto stream = stream_;
        respond(std::move(response));
        return stream;
    }
    bool client_gone() const noexcept override { return false; }
    void on_sent(std::move_only_function<void(const Sent&)> callback) override { static_cast<void>(callback); }
    runtime::EventLoop& loop() const override { return loop_; }

    bool answered() const { return answered_; }
    void wait() { ready_.get_future().wait(); }
    const http::Response& answer() const { return answer_; }
    const std::shared_ptr<ClientStream>& stream() const { return stream_; }

  private:
    http::RequestHead head_;
    std::string body_;
    runtime::EventLoop& loop_;
    http::Response answer_;
    std::atomic<bool> answered_{false};
    std::shared_ptr<ClientStream> stream_;
    std::promise<void> ready_;
};

class QueryFixture : public pipeline::testing::IdentityFixture {
  protected:
    void SetUp() override {
        open();
        log_.open({}, true);
        logger_ = std::move(observe::Logger::open({.level = observe::Level::kOff}, clock)).value();
        loop_ = std::move(runtime::EventLoop::create(clock)).value();
        pump_ = std::make_unique<StreamPump>(steady_, settings_);
        std::vector<pipeline::Route> routes;
        register_query_routes(routes, {.clock = clock,
                                       .history = *log_.history,
                                       .feed = *log_.feed,
                                       .statistics = *log_.statistics,
                                       .pump = *pump_,
                                       .settings = settings_,
                                       .loopback_without_keys = loopback_without_keys_});
        pipeline::Gate gate;
        gate.make_loop = [this](runtime::EventLoop& loop, unsigned index) {
            auto parts = std::make_unique<pipeline::LoopParts>(loop, index);
            parts->authenticator.emplace(*identity);
            return parts;
        };
        gate.counts = &counts_;
        dispatcher_ = std::make_unique<pipeline::Dispatcher>(
            pipeline::Parts{clock, random, metrics_, *logger_, *log_.log, cpu_, blocking_},
            pipeline::PipelineSettings{}, std::move(routes), std::move(gate));
        dispatcher_->prepare_loops(1);
        dispatcher_->on_loop_start(*loop_, 0);
        north_ = make_key({.name = "north", .tenant = "north", .scopes = {"compliance:read"}}).text;
        south_ = make_key({.name = "south", .tenant = "south", .scopes = {"*"}}).text;
        auditor_ = make_key({.name = "auditor", .scopes = {"compliance:audit"}}).text;
        reader_ = make_key({.name = "reader", .scopes = {"compliance:read"}}).text;
    }
    void TearDown() override {
        pump_->stop();
        cpu_.stop();
        blocking_.stop();
        asked_.clear();
        log_.log->close();
        dispatcher_->on_loop_stop(0);
        dispatcher_.reset();
        pump_.reset();
    }

    std::shared_ptr<Asked> ask(http::Method method, std::string path, const std::string& key, std::string body = {},
                               const std::string& last_event_id = {}) {
        http::RequestHead head;
        head.method = method;
        const std::size_t question = path.find('?');
        head.path = path.substr(0, question);
        if (question != std::string::npos) head.query = path.substr(question + 1);
        head.target = path;
        head.peer_address = "127.0.0.1";
        if (!key.empty()) head.headers.add("X-API-Key", key);
        if (!last_event_id.empty()) head.headers.add("Last-Event-ID", last_event_id);
        if (!body.empty()) {
            head.content_length = body.size();
            head.headers.add("Content-Type", "application/json");
        }
        auto asked = std::make_shared<Asked>(std::move(head), std::move(body), *loop_);
        dispatcher_->on_head(asked);
        if (!asked->answered()) dispatcher_->on_request(asked);
        asked->wait();
        asked_.push_back(asked);
        return asked;
    }
    http::Response post(const std::string& path, const std::string& key, const std::string& body) {
        return ask(http::Method::kPost, "/api/compliance/" + path, key, body)->answer();
    }
    http::Response get(const std::string& path, const std::string& key) {
        return ask(http::Method::kGet, "/api/compliance/" + path, key)->answer();
    }
    std::shared_ptr<ClientStream> listen(const std::string& path, const std::string& key,
                                         const std::string& last_event_id = {}) {
        return ask(http::Method::kGet, "/api/compliance/" + path, key, {}, last_event_id)->stream();
    }
    /// The body of an export, once it has ended as a whole.
    std::string exported(const std::string& key, const std::string& body) {
        const auto asked = ask(http::Method::kPost, "/api/compliance/export", key, body);
        EXPECT_NE(asked->stream(), nullptr) << asked->answer().body;
        if (asked->stream() == nullptr) return {};
        for (int i = 0; i < 12'000 && !asked->stream()->finished(); ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        EXPECT_TRUE(asked->stream()->finished());
        return asked->stream()->body();
    }
    static std::vector<std::string> ids_of(const std::string& json) {
        const auto document = json::parse(json);
        EXPECT_TRUE(document.has_value()) << json.substr(0, 500);
        std::vector<std::string> ids;
        document->root().find("results")->each(
            [&](json::Value item) { ids.emplace_back(item.find("id")->as_string()); });
        return ids;
    }
    /// The accesses on record, the newest first.
    std::vector<audit::Decision> accesses() {
        return log_.history
            ->page({.filter = {.service = "compliance", .kind = audit::RecordKind::kEvent}, .limit = 500})
            .value()
            .items;
    }

    SystemClock steady_;
    QuerySettings settings_;
    bool loopback_without_keys_ = false;
    audit::TestLog log_;
    std::unique_ptr<StreamPump> pump_;
    observe::Registry metrics_;
    std::unique_ptr<observe::Logger> logger_;
    std::unique_ptr<runtime::EventLoop> loop_;
    pipeline::GuardCounts counts_;
    runtime::WorkerPool cpu_{"cpu", 1, 16};
    runtime::WorkerPool blocking_{"blocking", 2, 16};
    std::unique_ptr<pipeline::Dispatcher> dispatcher_;
    std::vector<std::shared_ptr<Asked>> asked_;
    std::string north_, south_, auditor_, reader_;
};

}  // namespace tidegate::compliance
