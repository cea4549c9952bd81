// Connection: one client on one loop, from its first byte to its last: reads requests, keeps their order, writes answers.
//
// Position    Between a Transport (bytes) and the Application (requests). The loop around it is a ConnectionHost, so that a
//             test can drive a connection without sockets, threads or time. Heads and time: connection.cpp; bodies:
//             connection_body.cpp; answers: connection_output.cpp; after a 101: connection_tunnel.cpp.
// Guarantee   Answers leave in the order the requests came in. After a syntax error nothing more is read as a request.
//             What was promised (a Content-Length, a stream) is sent whole or the connection is cut.
// Algorithm   What the application does from outside (an answer, a piece of a stream) asks for a turn; the turn comes at the
//             end of the loop's, so that all that was done until then leaves in one write.
// Memory      At rest: this object. Input is kept only while incomplete or not wanted yet, output only while the client is
//             slow; both bounded: reading stops while pipeline_depth_max requests are in work, kOutputHighWater bytes of
//             answers wait to be sent, or the application has paused a body.
// Threads     The loop's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/address_counts.h"
#include "http/chunked_decoder.h"
#include "http/out_queue.h"
#include "http/request_parser.h"
#include "http/response_writer.h"
#include "http/server.h"
#include "http/server_exchange.h"
#include "http/transport.h"
#include "runtime/event_loop.h"
#include "runtime/timer_wheel.h"

namespace tidegate::http {

class Connection;
class TrustedProxies;

/// What a connection asks of its loop.
class ConnectionHost {
  public:
    virtual ~ConnectionHost() = default;
    /// `events`: EPOLLIN and so on; called on changes only.
    virtual void set_interest(Connection& connection, std::uint32_t events) = 0;
    virtual void set_deadline(Connection& connection, SteadyTime deadline) = 0;
    /// The connection wants its run_turn() before the loop waits again; asked once until then.
    virtual void want_turn(Connection& connection) = 0;
    /// The connection is over; it is to be destroyed after the current turn.
    virtual void retire(Connection& connection) = 0;
};

/// What the connections of one loop share.
struct LoopContext {
    LoopContext(Application& app, const Limits& all_limits, ServerCounters& all_counters, const Clock& clock,
                std::shared_ptr<LoopLink> loop_link, const SteadyTime& loop_now);
    /// Adds what this loop has counted to the shared counters; once a turn.
    void publish() noexcept;

    Application& application;
    const Limits& limits;
    ServerCounters& counters;
    std::shared_ptr<LoopLink> link;
    ResponseWriter writer;
    SpareBuffers spares;
    std::vector<char> read_buffer;
    const SteadyTime& now;                    // The loop's, read once a turn.
    const TrustedProxies* proxies = nullptr;  // Null: nobody is believed about other addresses than its own.
    bool draining = false;
    std::uint64_t requests = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
};

class Connection final : public runtime::EventLoop::Handler, public runtime::Timer {
  public:
    /// One read; also the most that waits unread by us after a turn.
    static constexpr std::size_t kReadBytes = 64 * 1024;
    /// A rest of a refused body up to this long is read and dropped; a longer one costs the connection.
    static constexpr std::uint64_t kDrainBytesMax = 64 * 1024;
    static constexpr std::size_t kOutputHighWater = 256 * 1024;

    Connection(ConnectionHost& host, LoopContext& context, std::unique_ptr<Transport> transport,
               std::string peer_address);
    ~Connection() override;

    /// Starts waiting for requests.
    void open();
    /// Starts by answering `response` to whatever comes, and closes.
    void open_refused(const Response& response);

    void on_event(std::uint32_t events) override;
    void on_timer() override;
    /// Takes up what the application has done since the last turn.
    void run_turn();
    /// The server drains: an idle connection ends now, a busy one after its answers.
    void on_drain();
    /// Ends now, mid-answer if need be.
    void cut();
    bool closed() const noexcept { return closed_; }
    const Transport& transport() const noexcept { return *transport_; }

    /// The host's own notes.
    struct HostState {
        std::size_t index = 0;
        bool registered = false;
        bool refused = false;
        std::optional<AddressKey> address;  // Counted under it.
    } host_state;

    // For ServerExchange and TunnelCore.
    void on_answer_ready(ServerExchange& exchange);
    void on_stream_ready(ServerExchange& exchange);
    void on_interim_ready();
    void on_tunnel_ready();
    void resume_body(ServerExchange& exchange);
    std::size_t output_bytes() const noexcept { return out_.bytes(); }

  private:
    friend class ReceiverSink;
    enum class Phase : std::uint8_t { kHead, kBody, kDrain, kTunnel, kStopped };
    enum class Why : std::uint8_t { kNever, kLinger, kHandshake, kWriteStall, kBody, kHead, kIdle, kTunnel };
    struct Due {
        SteadyTime at = SteadyTime::max();
        Why why = Why::kNever;
    };
    /// An answer on its way out, whose application wants to hear of it.
    struct SentMark {
        std::uint64_t offset;  // Of OutQueue::sent(), at which it is out.
        std::shared_ptr<ServerExchange> exchange;
        Exchange::Sent report;
    };
    struct StreamMark {
        std::uint64_t offset;
        std::uint64_t bytes;
    };

    // Heads: connection.cpp.
    void read_some();
    void on_input_end();
    void consume(std::string_view fresh);
    std::size_t step(std::string_view input);
    std::size_t step_head(std::string_view input);
    void begin_request();
    void fail_input(int status, std::string_view detail);
    bool may_parse() const noexcept;
    bool wants_input() const noexcept;
    bool input_waits() const noexcept;
    bool at_rest() const noexcept { return pipeline_.empty() && out_.empty() && phase_ == Phase::kHead && in_.empty(); }
    bool head_begun() const noexcept { return phase_ == Phase::kHead && !in_.empty() && may_parse(); }

    // Bodies: connection_body.cpp.
    void begin_body(const std::shared_ptr<ServerExchange>& exchange, BodyPlan plan);
    std::size_t step_body(std::string_view input);
    std::size_t step_plain(std::string_view input, BodySink& sink);
    std::size_t step_chunked(std::string_view input, BodySink& sink);
    void give_body(std::string_view bytes);
    void body_done();
    void begin_drain(ServerExchange& exchange);
    void body_too_large();
    void refuse_body(int status, std::string_view detail);
    bool fail_receiver(ServerExchange& exchange, int status, std::string_view detail);
    void leave_receiver();
    /// The client may send its body: not with BodyPlan::paused until the first resume_body().
    bool body_asked() const noexcept { return !receiver_ || body_asked_; }

    // Output: connection_output.cpp.
    void want_turn();
    void pump();
    void move_answers();
    void put_interim(ServerExchange& exchange);
    void write_answer(ServerExchange& exchange);
    void pump_stream(ServerExchange& exchange);
    void drop_rest_of_pipeline();
    void end_turn();
    void flush();
    void note_sent();
    void finish_close();
    void settle();
    Due next_due() const noexcept;
    void note_client_gone();
    void give_up(const std::shared_ptr<ServerExchange>& exchange);

    // Tunnels: connection_tunnel.cpp.
    void begin_tunnel(ServerExchange& exchange);
    std::size_t step_tunnel(std::string_view input);
    void pump_tunnel();
    /// After a flush: room, ends.
    void settle_tunnel();
    void close_tunnel(bool whole);

    ConnectionHost& host_;
    LoopContext& context_;
    std::unique_ptr<Transport> transport_;
    std::string peer_address_;
    const bool peer_trusted_;
    RequestParser parser_;
    ChunkedDecoder chunks_;
    std::unique_ptr<ExchangeParts> parts_;  // Of the head being read.
    std::string in_;                        // Input that could not be used yet.
    OutQueue out_;
    std::vector<std::shared_ptr<ServerExchange>> pipeline_;  // In work or waiting for their turn, oldest first.
    std::shared_ptr<ServerExchange> receiving_;              // Whose body is being read.
    std::shared_ptr<BodyReceiver> receiver_;                 // Who hears it; null: it is gathered.
    std::shared_ptr<TunnelCore> tunnel_;  // With phase kTunnel; its exchange is the pipeline's only one.
    std::vector<SentMark> sent_marks_;
    std::vector<StreamMark> stream_marks_;
    std::size_t held_bytes_ = 0;   // Of answers that wait for an earlier one.
    std::uint64_t body_left_ = 0;  // Of a body with Content-Length.
    std::uint64_t body_max_ = 0;
    std::uint64_t body_received_ = 0;  // As it came, with its framing.
    std::uint64_t body_given_ = 0;     // To receiver_.
    std::uint64_t drain_left_ = 0;
    std::uint64_t stream_bytes_ = 0;  // Body bytes of the stream, or sent by the tunnel, at the front.
    SteadyTime opened_at_;
    SteadyTime phase_since_;  // The head's first byte, the body's start, the last answer, the tunnel's last byte.
    SteadyTime body_paused_at_{};
    SteadyTime written_at_;  // The last byte taken by the kernel.
    SteadyTime lingering_since_{};
    std::uint32_t interest_ = 0;
    Phase phase_ = Phase::kHead;
    bool fresh_ = true;    // No request yet.
    bool corked_ = false;  // A turn is under way; its end flushes.
    bool turn_wanted_ = false;
    bool again_ = false;           // The application has done something since the last pump().
    bool deciding_ = false;        // on_head() is running.
    bool body_paused_ = false;     // By the application; with receiver_.
    bool body_asked_ = false;      // It was not, once.
    bool body_giving_ = false;     // on_body() is running.
    bool body_resumed_ = false;    // Inside it.
    bool tunnel_shut_ = false;     // FIN is sent.
    bool streaming_ = false;       // The front of the pipeline is a stream whose head is out.
    bool whole_at_close_ = false;  // The last answer's body ends with the connection (HTTP/1.0, no length).
    bool write_blocked_ = false;
    bool close_after_flush_ = false;
    bool linger_ = false;  // The client may still be sending: close in a way that lets it read the answer.
    bool lingering_ = false;
    bool input_ended_ = false;
    bool hang_up_seen_ = false;
    bool gone_noted_ = false;
    bool closed_ = false;
};

}  // namespace tidegate::http
