#include "services/compliance/stream_pump.h"

#include "http/sse.h"

namespace tidegate::compliance {

StreamPump::StreamPump(const Clock& clock, const QuerySettings& settings)
    : clock_(clock), settings_(settings), thread_([this] { run(); }) {}

StreamPump::~StreamPump() {
    stop();
}

void StreamPump::stop() {
    {
        const Lock lock(bell_->mutex);
        bell_->stopping = true;
        bell_->rung.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

void StreamPump::add(Place place, const pipeline::ContextPtr& context, std::unique_ptr<EventSource> source) {
    http::Response head;
    head.headers.add("Content-Type", http::kEventStreamType);
    // No event will ever follow: the head alone is the answer.
    if (context->head().method == http::Method::kHead) return context->start_stream(std::move(head))->finish();
    auto running = std::make_unique<Running>(Running{
        std::move(place), context, context->start_stream(std::move(head)), std::move(source), {}, clock_.now()});
    // The client learns at once that it listens.
    http::append_comment(running->pending, "open");
    const Lock lock(bell_->mutex);
    if (bell_->stopping) return running->stream->finish();
    bell_->added.push_back(std::move(running));
    bell_->ringing = true;
    bell_->rung.notify_all();
}

void StreamPump::Bell::ring() {
    const Lock lock(mutex);
    if (std::exchange(ringing, true)) return;
    rung.notify_all();
}

void StreamPump::wake() {
    bell_->ring();
}

/// Until there is something to do; false at the end.
bool StreamPump::wait(Streams& streams, bool more) {
    const Lock lock(bell_->mutex);
    while (!more && !bell_->ringing && !bell_->stopping) {
        if (streams.empty()) {
            bell_->rung.wait(bell_->mutex);
        } else if (!bell_->rung.wait_for(bell_->mutex, kTick)) {
            break;
        }
    }
    bell_->ringing = false;
    for (auto& added : bell_->added) streams.push_back(std::move(added));
    bell_->added.clear();
    return !bell_->stopping;
}

void StreamPump::run() {
    Streams streams;
    bool more = false;
    while (wait(streams, more)) {
        more = false;
        std::erase_if(streams, [&](const std::unique_ptr<Running>& running) {
            const Turn turn = this->turn(*running);
            more = more || turn == Turn::kMore;
            return turn == Turn::kOver;
        });
    }
    for (const auto& running : streams) running->stream->finish();
}

StreamPump::Turn StreamPump::turn(Running& running) {
    const SteadyTime now = clock_.now();
    if (running.stream->client_gone()) return Turn::kOver;
    if (!running.pending.empty()) {
        const Turn sent = send(running, now);
        if (sent != Turn::kMore) return sent;
    }
    const auto more = running.source->write(running.pending, now);
    if (!more) {
        // Dropped without finish(): the client sees that it has not seen the end.
        running.context->fail_stream(more.error());
        return Turn::kOver;
    }
    if (running.pending.empty() && now - running.sent >= settings_.heartbeat) http::append_comment(running.pending, "");
    if (running.pending.empty()) return *more ? Turn::kMore : Turn::kIdle;
    const Turn sent = send(running, now);
    return sent == Turn::kMore && !*more ? Turn::kIdle : sent;
}

/// kMore: it is out, kIdle: it waits for the client.
StreamPump::Turn StreamPump::send(Running& running, SteadyTime now) {
    switch (running.stream->write(running.pending)) {
        case http::Stream::Outcome::kGone:
            return Turn::kOver;
        case http::Stream::Outcome::kFull:
            running.stream->on_room([bell = bell_] { bell->ring(); });
            return Turn::kIdle;
        case http::Stream::Outcome::kAccepted:
            break;
    }
    running.pending.clear();
    running.sent = now;
    return Turn::kMore;
}

}  // namespace tidegate::compliance
