// Fuzzes a whole connection: whatever a client sends and however it is split, whatever of the server's ways to answer each
// request meets, the connection keeps its promises: answers in order, framed as they say, nothing served behind an error,
// and each callback the number of times its header says.
//
// The first bytes of the input choose the splitting and the ways to answer; the rest is what the client sends.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "http/connection_bench.h"

namespace tidegate::http {
namespace {

/// The choices, taken from the front of the input and repeated.
class Choices {
  public:
    explicit Choices(std::string_view bytes) : bytes_(bytes) {}
    unsigned next(unsigned count) {
        if (bytes_.empty()) return 0;
        return static_cast<unsigned char>(bytes_[at_++ % bytes_.size()]) % count;
    }

  private:
    std::string_view bytes_;
    std::size_t at_ = 0;
};

class Receiver final : public BodyReceiver {
  public:
    explicit Receiver(Choices& choices) : choices_(choices) {}
    bool on_body(std::string_view bytes) override {
        TG_ASSERT(!bytes.empty() && ends == 0);
        if (stream && stream->write(bytes) == Stream::Outcome::kFull) stream.reset();
        return choices_.next(3) != 0;
    }
    void on_body_end() override {
        TG_ASSERT(ends++ == 0);
        if (stream) stream->finish();
        stream.reset();
    }
    void on_body_failed(int status, std::string_view detail) override {
        TG_ASSERT(ends++ == 0);
        TG_ASSERT(status >= 400 && !detail.empty());
        stream.reset();
    }
    std::shared_ptr<Stream> stream;
    int ends = 0;

  private:
    Choices& choices_;
};

class End final : public TunnelEnd {
  public:
    bool on_bytes(std::string_view bytes) override {
        TG_ASSERT(!bytes.empty() && closed == 0 && ended == 0);
        if (tunnel) tunnel->write(bytes);
        return bytes.size() % 3 != 0;
    }
    void on_end() override {
        TG_ASSERT(ended++ == 0);
        if (tunnel) tunnel->finish();
    }
    void on_closed(bool) override { TG_ASSERT(closed++ == 0); }
    std::shared_ptr<Tunnel> tunnel;
    int ended = 0;
    int closed = 0;
};

/// Everything the server did, for the promises to be held against.
struct Play {
    std::vector<ExchangePtr> waiting;  // Not answered yet.
    std::vector<ExchangePtr> all;
    std::vector<std::shared_ptr<Receiver>> receivers;
    std::vector<std::shared_ptr<End>> ends;
    std::size_t reports = 0;
    std::size_t gone = 0;
    bool tunnel = false;
};

void answer(Play& play, Choices& choices, const ExchangePtr& exchange) {
    const auto receiver = std::static_pointer_cast<Receiver>(exchange->attachment);
    if (choices.next(4) == 0) exchange->send_interim(103, {});
    if (exchange->head().wants_upgrade && (!exchange->head().has_body() || !receiver) && choices.next(2) == 0) {
        Response head;
        head.status = 101;
        auto end = std::make_shared<End>();
        play.ends.push_back(end);
        end->tunnel = exchange->start_tunnel(std::move(head), end);
        play.tunnel = true;
        return;
    }
    Response response;
    constexpr std::array kStatuses = {200, 204, 304, 404};
    response.status = kStatuses.at(choices.next(kStatuses.size()));
    response.close = choices.next(8) == 0;
    if (choices.next(2) == 0) {
        response.body = "answer";
        return exchange->respond(std::move(response));
    }
    if (choices.next(2) == 0) response.content_length = 6;
    const auto stream = exchange->start_stream(std::move(response));
    if (receiver && receiver->ends == 0 && choices.next(2) == 0) {
        receiver->stream = stream;
        return;
    }
    stream->write("ans");
    if (choices.next(4) != 0) stream->write("wer");
    if (choices.next(6) != 0) stream->finish();
}

void set_up(Bench& bench, Play& play, Choices& choices) {
    bench.late_turns = choices.next(2) == 0;
    bench.application.head_handler = [&](const ExchangePtr& exchange) {
        play.all.push_back(exchange);
        exchange->on_sent([&play](const Exchange::Sent& sent) {
            TG_ASSERT(sent.status >= 100);
            ++play.reports;
        });
        exchange->on_gone([&play] { ++play.gone; });
        BodyPlan plan{.body_bytes_max = choices.next(2) == 0 ? 8U : 4096U};
        if (!exchange->head().has_body() || choices.next(2) == 0) return plan;
        auto receiver = std::make_shared<Receiver>(choices);
        play.receivers.push_back(receiver);
        exchange->attachment = receiver;
        plan.receiver = std::move(receiver);
        plan.paused = choices.next(3) == 0;
        return plan;
    };
    bench.application.handler = [&](const ExchangePtr& exchange) {
        TG_ASSERT(!play.tunnel);
        if (choices.next(3) == 0) {
            play.waiting.push_back(exchange);
        } else {
            answer(play, choices, exchange);
        }
    };
}

void run(std::string_view choices_bytes, std::string_view input) {
    Choices choices(choices_bytes);
    Wire wire{.input = std::string(input)};
    wire.read_step = 1 + choices.next(40);
    wire.write_step = choices.next(2) == 0 ? 1 << 20 : 1 + choices.next(10);
    wire.ends = choices.next(2) == 0;
    if (choices.next(6) == 0) wire.fail_after_read = input.size() / 2;
    if (choices.next(6) == 0) wire.fail_after_write = 50 * choices.next(8);
    Limits limits;
    limits.headers_bytes_max = 2048;
    limits.stream_buffer_bytes_max = 64;
    limits.pipeline_depth_max = 4;
    Play play;
    {
        Bench bench(wire, limits);
        set_up(bench, play, choices);
        for (int round = 0; round < 12 && !bench.closed(); ++round) {
            bench.run();
            for (const auto& exchange : play.all) exchange->resume_body();
            for (const auto& end : play.ends) end->tunnel->resume();
            for (const auto& exchange : std::exchange(play.waiting, {})) answer(play, choices, exchange);
            if (choices.next(5) == 0) bench.advance(std::chrono::seconds(choices.next(30)));
            if (choices.next(16) == 0) bench.drain();
        }
        // Whoever still has a pointer to them may answer when it is too late.
        bench.cut();
        for (const auto& exchange : std::exchange(play.waiting, {})) answer(play, choices, exchange);
        bench.run_posted();
    }
    TG_ASSERT(play.reports == play.all.size());
    TG_ASSERT(play.gone <= play.all.size());
    TG_ASSERT(wire.output.size() <= wire.fail_after_write);
    for (const auto& end : play.ends) {
        end->tunnel.reset();
        TG_ASSERT(end->closed == 1);
    }
    TG_ASSERT(wire.output.empty() ||
              wire.output.starts_with(std::string_view("HTTP/1.1 ").substr(0, wire.output.size())));
    for (const auto& exchange : play.all) exchange->attachment.reset();
}

}  // namespace
}  // namespace tidegate::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t kChoices = 16;
    if (size < kChoices) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    tidegate::http::run(bytes.substr(0, kChoices), bytes.substr(kChoices));
    return 0;
}
