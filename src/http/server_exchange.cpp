#include "http/server_exchange.h"

#include <utility>

#include "base/assert.h"
#include "http/connection.h"

namespace tidegate::http {
namespace {

// As many as a loop has requests in work at once under ordinary load.
constexpr std::size_t kSparePartsMax = 64;
constexpr std::size_t kBodyKeptMax = 64 * 1024;
// Of interim answers that wait for an earlier request's answer: some hundred links of a 103.
constexpr std::size_t kInterimBytesMax = 16 * 1024;

}  // namespace

std::unique_ptr<ExchangeParts> LoopLink::take_parts() {
    if (spare_parts.empty()) return std::make_unique<ExchangeParts>();
    auto parts = std::move(spare_parts.back());
    spare_parts.pop_back();
    return parts;
}

void LoopLink::give_parts(std::unique_ptr<ExchangeParts> parts) {
    if (spare_parts.size() >= kSparePartsMax || parts->body.capacity() > kBodyKeptMax) return;
    parts->body.clear();
    spare_parts.push_back(std::move(parts));
}

ServerExchange::ServerExchange(Connection* connection, std::shared_ptr<LoopLink> link,
                               std::unique_ptr<ExchangeParts> parts, SteadyTime received_at,
                               std::uint64_t stream_bytes_max)
    : connection_(connection),
      link_(std::move(link)),
      parts_(std::move(parts)),
      received_at_(received_at),
      stream_bytes_max_(stream_bytes_max) {}

ServerExchange::~ServerExchange() {
    if (body_charged_ > 0) link_->bodies_bytes->fetch_sub(body_charged_, std::memory_order_relaxed);
    if (link_->mailbox->on_loop_thread()) link_->give_parts(std::move(parts_));
}

bool ServerExchange::charge_body(std::uint64_t bytes) noexcept {
    // Each body's beginning is free: a server full of large uploads still answers small requests.
    if (parts_->body.size() + bytes <= kBodyKeptMax) return true;
    if (link_->bodies_bytes->fetch_add(bytes, std::memory_order_relaxed) + bytes > link_->bodies_bytes_max) {
        link_->bodies_bytes->fetch_sub(bytes, std::memory_order_relaxed);
        return false;
    }
    body_charged_ += bytes;
    return true;
}

void ServerExchange::respond(Response response) {
    if (claimed_.exchange(true, std::memory_order_acq_rel)) {
        TG_ASSERT(overruled_.load(std::memory_order_acquire));
        return;
    }
    response_.emplace(std::move(response));
    post_ready();
}

std::shared_ptr<Stream> ServerExchange::start_stream(Response response) {
    TG_ASSERT(response.body.empty() && !response.shared_body);
    const bool first = !claimed_.exchange(true, std::memory_order_acq_rel);
    TG_ASSERT(first || overruled_.load(std::memory_order_acquire));
    // The exchange is held by the connection while the stream lives; the stream must not hold it in turn.
    auto core =
        std::make_shared<StreamCore>(stream_bytes_max_, link_->mailbox, [link = link_, weak = weak_from_this()] {
            const auto wake = [weak] {
                const auto self = weak.lock();
                if (self && self->connection_ != nullptr) self->connection_->on_stream_ready(*self);
            };
            if (link->mailbox->on_loop_thread()) {
                wake();
            } else {
                link->mailbox->post(wake);
            }
        });
    if (first) {
        stream_length_ = response.content_length;
        response_.emplace(std::move(response));
        stream_ = core;
        post_ready();
        // After the post: a loop that ends sets client_gone and then empties its mailbox, so that one of the two is seen.
        if (unreachable() || (client_gone() && ends_with_client())) core->set_gone();
    } else {
        core->set_gone();
    }
    return std::make_shared<StreamHandle>(std::move(core));
}

void ServerExchange::post_ready() {
    if (link_->mailbox->on_loop_thread()) {
        become_ready();
        return;
    }
    link_->mailbox->post([self = shared_from_this()] { self->become_ready(); });
}

void ServerExchange::become_ready() {
    ready_ = true;
    if (connection_ != nullptr) {
        connection_->on_answer_ready(*this);
    } else {
        if (stream_) stream_->set_gone();
        if (tunnel_) tunnel_->close(false);
    }
}

void ServerExchange::answer_for_application(Response response) {
    overruled_.store(true, std::memory_order_release);
    // Lost to an answer already under way: that one stands, and its become_ready() is in the mailbox.
    if (claimed_.exchange(true, std::memory_order_acq_rel)) return;
    response_.emplace(std::move(response));
    ready_ = true;
}

runtime::EventLoop& ServerExchange::loop() const {
    TG_ASSERT(link_->loop != nullptr);
    return *link_->loop;
}

void ServerExchange::on_gone(std::move_only_function<void()> callback) {
    if (connection_ == nullptr && !client_gone()) return;  // Answered: nobody would ever let go of it.
    on_gone_ = std::move(callback);
    if (client_gone()) set_client_gone();
}

void ServerExchange::set_client_gone() {
    client_gone_.store(true, std::memory_order_release);
    // Not from in here: the connection is in the middle of ending.
    if (on_gone_) link_->mailbox->post(std::exchange(on_gone_, nullptr));
}

void ServerExchange::detach() {
    connection_ = nullptr;
    unreachable_.store(true, std::memory_order_release);
    on_gone_ = nullptr;
}

void ServerExchange::resume_body() {
    if (connection_ != nullptr) connection_->resume_body(*this);
}

void ServerExchange::send_interim(int status, const Headers& headers) {
    TG_ASSERT(status > 101 && status < 200);
    if (connection_ == nullptr || claimed() || !http_1_1) return;
    const std::size_t before = interim_.size();
    ResponseWriter::write_interim(interim_, status, headers);
    if (interim_.size() > kInterimBytesMax) return interim_.resize(before);
    connection_->on_interim_ready();
}

std::shared_ptr<Tunnel> ServerExchange::start_tunnel(Response head, std::shared_ptr<TunnelEnd> end) {
    TG_ASSERT(head.status == 101 && parts_->head.wants_upgrade);
    auto core = std::make_shared<TunnelCore>(std::move(end), link_->mailbox, stream_bytes_max_);
    if (claimed_.exchange(true, std::memory_order_acq_rel)) {
        TG_ASSERT(overruled_.load(std::memory_order_acquire));
        core->close(false);
    } else {
        tunnel_ = core;
        response_.emplace(std::move(head));
        become_ready();
    }
    return std::make_shared<TunnelHandle>(std::move(core));
}

void ServerExchange::cut() {
    if (connection_ != nullptr) connection_->cut();
}

void ServerExchange::report_sent(const Sent& sent) {
    if (!on_sent_) return;
    auto callback = std::exchange(on_sent_, nullptr);
    callback(sent);
}

}  // namespace tidegate::http
