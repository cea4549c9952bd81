#include "services/proxy/batch.h"

#include <utility>

#include "services/proxy/batch_call.h"

namespace tidegate::proxy {

/// One loop's share: its calls, and the alarm by which it looks after who waits.
struct Batching::Seat final : public runtime::EventLoop::Alarm {
    Seat(Batching& its_owner, const FetchLoop& its_loop) : owner(its_owner), loop(its_loop) {}
    ~Seat() override {
        loop.loop.set_alarm(*this, SteadyTime::max());
        for (const auto& call : std::exchange(calls, {})) call->drop();
    }
    void on_alarm() override { loop.loop.set_alarm(*this, owner.batcher_.tick(loop.loop.now())); }

    Batching& owner;
    const FetchLoop& loop;
    std::set<std::shared_ptr<BatchCall>> calls;
};

Batching::Batching(const upstream::BatchSettings& its_settings, Upstream& upstream, upstream::Priority priority,
                   const Clock& clock)
    : settings(its_settings),
      upstream_(upstream),
      priority_(priority),
      clock_(clock),
      batcher_(settings.options,
               [this](upstream::Batch batch, upstream::BatchDone done) { send(std::move(batch), std::move(done)); }) {}

Batching::~Batching() = default;

void Batching::prepare_loops(unsigned loops) {
    while (places_.size() < loops) places_.push_back(std::make_unique<Place>());
}

void Batching::on_loop_start(unsigned index, const FetchLoop& loop) {
    places_[index]->seat = std::make_unique<Seat>(*this, loop);
    seats_.fetch_add(1, std::memory_order_relaxed);
    places_[index]->thread.store(std::this_thread::get_id(), std::memory_order_relaxed);
}

void Batching::on_loop_stop(unsigned index) {
    // With the last loop nobody is left who could be answered.
    if (seats_.fetch_sub(1, std::memory_order_acq_rel) == 1) batcher_.close();
    places_[index]->seat.reset();
    places_[index]->thread.store({}, std::memory_order_relaxed);
}

Batching::Seat* Batching::here() const noexcept {
    const std::thread::id self = std::this_thread::get_id();
    for (const auto& place : places_) {
        // Only a thread itself ever writes its own id there.
        if (place->thread.load(std::memory_order_relaxed) == self) return place->seat.get();
    }
    return nullptr;
}

Result<upstream::MicroBatcher::ItemId> Batching::submit(upstream::MicroBatcher::Item item, SteadyTime now) {
    auto id = batcher_.submit(std::move(item), now);
    if (Seat* seat = here()) arm(*seat);
    return id;
}

/// Whoever changed what is due looks after it.
void Batching::arm(Seat& seat) {
    seat.loop.loop.set_alarm(seat, batcher_.next_due());
}

void Batching::send(upstream::Batch batch, upstream::BatchDone done) {
    Seat* seat = here();
    if (seat == nullptr) return;  // The loop is ending; `done`, dropped, tells everybody.
    const auto call = std::make_shared<BatchCall>(seat->loop, *this, std::move(batch), std::move(done),
                                                  [this, seat](const std::shared_ptr<BatchCall>& ended) {
                                                      seat->calls.erase(ended);
                                                      arm(*seat);
                                                  });
    seat->calls.insert(call);
    call->start();
}

}  // namespace tidegate::proxy
