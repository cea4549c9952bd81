// Flights: who is already fetching what, so that N equal questions at once cost one execution.
//
// Position    Between the store (nothing fresh there) and the origin or handler. It moves no bytes and sets no timers: the leader
//             says what became of its fetch, those who wait hear of it on their own loops.
// Guarantee   One leader a key at a time. Who waits hears exactly once, unless it leaves first; a leader that goes away without a
//             word has failed. A failure is told to those who wait at that moment and kept nowhere.
// Algorithm   The leader speaks as soon as it knows: uncacheable (all go at once, by themselves, and the key is remembered so that
//             nobody queues on it), varies (all come back under a key with their own values: one leader a variant), kept, failed.
// Memory      waiters_max a key; kMarks keys remembered as uncacheable (16 bytes each), the one that ends first gives way.
// Threads     Any thread; a leader may land on another thread than it began on. Wakes run on the loop of whoever waits.
// When full   Over waiters_max, or behind a leader older than leader_age_max, nobody waits any more: kAlone.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "pipeline/cache/entry.h"
#include "pipeline/cache/key.h"
#include "runtime/event_loop.h"

namespace tidegate::cache {

struct FlightOptions {
    std::size_t waiters_max = 1000;                      // A key.
    Duration leader_age_max = std::chrono::seconds(30);  // An older one is waited for by nobody new.
    Duration uncacheable_for = std::chrono::seconds(120);
};

struct FlightFailure {
    int status = 502;
    std::string error;   // Short stable code.
    std::string detail;  // For the client.
    Duration retry_after{};
    bool upstream_failed = true;  // False: the request or our own limits are to blame.
};

/// What those who wait hear.
struct Landing {
    enum class Outcome : std::uint8_t {
        kKept,         // `entry` is the answer; whether it fits this request (Vary) is for its own loop to see.
        kUncacheable,  // Go by yourself, now.
        kVaries,       // Join again under variant_key() with the names in `vary`.
        kFailed,       // `failure` is what the leader met.
        kOverdue,      // Waited up to the deadline.
    };
    Outcome outcome = Outcome::kFailed;
    EntryPtr entry;
    std::string vary;
    std::shared_ptr<const FlightFailure> failure;
};

/// The key under which one variant's questions meet.
Key variant_key(const Key& base, std::string_view vary_names, std::string_view selecting);

struct FlightStats {
    std::uint64_t leaders = 0;
    std::uint64_t waiters = 0;       // Joined behind a leader: each an execution saved or shared.
    std::uint64_t alone_marked = 0;  // Went alone because the key is known to be uncacheable.
    std::uint64_t alone_full = 0;    // Because too many wait, or the leader is too old.
    std::uint64_t overdue = 0;
    std::uint64_t failed = 0;  // Leaders, not those who waited.
    std::uint64_t under_way = 0;
    std::uint64_t waiting = 0;
};

class Flights {
    struct Flight;
    struct Waiting;
    struct State;

  public:
    using Wake = std::move_only_function<void(const Landing&)>;

    /// The leader's side. Dropped without a word it has failed with 503. Movable; one thread at a time.
    class Leader {
      public:
        Leader() = default;
        Leader(Leader&&) noexcept = default;
        Leader& operator=(Leader&& other) noexcept;
        ~Leader();

        explicit operator bool() const noexcept { return flight_ != nullptr; }
        /// Whether somebody waits: whether it is worth going on when one's own client has left.
        bool others_wait() const;
        /// When the head has come and varies: the flight goes on as that of this variant, and all who wait ask again.
        void varies(std::string_view vary_names, std::string_view selecting);
        /// The answer is stored (or good for those who waited, if for nobody after). Lifts the key's mark.
        void kept(EntryPtr entry);
        /// `remember`: nobody need wait for this key for uncacheable_for.
        void uncacheable(bool remember, SteadyTime now);
        void failed(FlightFailure failure);

      private:
        friend class Flights;
        Leader(std::shared_ptr<State> state, std::shared_ptr<Flight> flight)
            : state_(std::move(state)), flight_(std::move(flight)) {}
        void land(const Landing& landing);
        std::shared_ptr<State> state_;
        std::shared_ptr<Flight> flight_;
    };

    /// The side of one who waits. Dropped, it hears nothing more. Belongs to the loop it was made for.
    class Waiter {
      public:
        Waiter() = default;
        Waiter(Waiter&&) noexcept = default;
        Waiter& operator=(Waiter&& other) noexcept;
        ~Waiter();
        explicit operator bool() const noexcept { return waiting_ != nullptr; }

      private:
        friend class Flights;
        Waiter(std::shared_ptr<State> state, std::shared_ptr<Flight> flight, std::shared_ptr<Waiting> waiting)
            : state_(std::move(state)), flight_(std::move(flight)), waiting_(std::move(waiting)) {}
        void leave() noexcept;
        std::shared_ptr<State> state_;
        std::shared_ptr<Flight> flight_;
        std::shared_ptr<Waiting> waiting_;
    };

    struct Joined {
        enum class Role : std::uint8_t {
            kLeader,
            kWaiter,
            kAlone,  // Fetch without a flight: the key is marked, or the queue behind it is full.
        };
        Role role = Role::kAlone;
        Leader leader;
        Waiter waiter;
        bool marked = false;  // kAlone because the answer is known not to be kept.
    };

    explicit Flights(const FlightOptions& options);
    ~Flights();
    Flights(const Flights&) = delete;
    Flights& operator=(const Flights&) = delete;

    /// `wake` is kept only by a waiter and runs on the loop of `mailbox`, never from inside join(). After `deadline` it hears
    /// kOverdue at the next expire().
    Joined join(const Key& key, SteadyTime now, SteadyTime deadline, std::shared_ptr<runtime::Mailbox> mailbox,
                Wake wake);
    /// Leads without anybody being able to refuse: for a refresh in the background. Empty when a flight is under way.
    Leader lead(const Key& key, SteadyTime now);

    /// Wakes who is overdue. For a timer of 50 to 100 ms, on any one thread.
    std::size_t expire(SteadyTime now);
    /// Whether the key is known to be uncacheable now.
    bool marked(const Key& key, SteadyTime now) const;
    FlightStats stats() const;

  private:
    std::shared_ptr<State> state_;
};

}  // namespace tidegate::cache
