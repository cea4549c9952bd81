// Monitor: the drift of everything that decides: a bounded set of streams, fed one decision at a time.
//
// Position    services/compliance/drift feeds it from the log, gives its findings to Alerts, and keeps its snapshots.
// Guarantee   The same observations in the same order give the same findings. What is not watched because streams_max streams are
//             there already, or tenant_streams_max of its tenant, is counted in unwatched().
// Memory      streams_max x what a Stream holds (drift/stream.h).
// Threads     One at a time. No clock.
// When full   A stream quiet for idle_max_ms makes room; else the decision is counted and not looked at.
//
//     drift::Monitor monitor(options);
//     std::vector<drift::Finding> findings;
//     monitor.add(observation, findings);
//     for (const drift::Finding& found : findings) alerts.raise(alert_key(found), found.evidence, found.at);
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "drift/stream.h"

namespace tidegate::drift {

class Monitor {
  public:
    /// The options hold for every stream.
    explicit Monitor(MonitorOptions options);
    Monitor(const Monitor&) = delete;
    Monitor& operator=(const Monitor&) = delete;

    /// Adds to the stream of the whole and to one for each segment.
    void add(const Observation& observation, std::vector<Finding>& findings);

    /// Null when there is none.
    Stream* find(const StreamKey& key);
    /// In the order of their keys.
    std::vector<const Stream*> streams() const;
    /// The same, to change.
    std::vector<Stream*> streams();
    /// A stream with what it saved. kConflict when it is there; kResourceExhausted without room.
    Result<void> restore(StreamKey key, std::string_view reference, std::string_view state);

    const MonitorOptions& options() const noexcept { return options_; }
    std::size_t size() const noexcept { return streams_.size(); }
    /// Decisions that no stream had room for, once for each stream that would have taken it.
    std::uint64_t unwatched() const noexcept { return unwatched_; }
    /// Of these, the ones whose tenant had as many streams as one may have.
    std::uint64_t unwatched_of_tenants() const noexcept { return unwatched_of_tenants_; }
    /// Streams that made room for others; their keys since the last call.
    std::vector<StreamKey> take_evicted();

  private:
    struct Parts {  // Of a key, to look one up without a copy.
        const StreamKey* whole;
        std::string_view segment;
    };
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(const StreamKey& key) const noexcept;
        std::size_t operator()(const Parts& parts) const noexcept;
    };
    struct Equal {
        using is_transparent = void;
        bool operator()(const StreamKey& a, const StreamKey& b) const noexcept { return a == b; }
        bool operator()(const Parts& a, const StreamKey& b) const noexcept;
        bool operator()(const StreamKey& a, const Parts& b) const noexcept { return (*this)(b, a); }
    };
    Stream* stream_of(const Observation& observation, std::string_view segment);
    struct Share {
        std::size_t streams = 0;
        UnixMillis searched_at = 0;
    };
    /// In place of the stream that has been quiet for longest, of that tenant's or of all; false: none has been for long enough.
    bool make_room(UnixMillis now, UnixMillis& searched_at, const std::string* tenant);
    bool has_room(const std::string& tenant, UnixMillis now);
    void insert(StreamKey key, std::unique_ptr<Stream> stream);

    const MonitorOptions options_;
    std::unordered_map<StreamKey, std::unique_ptr<Stream>, Hash, Equal> streams_;
    std::unordered_map<std::string, Share> of_tenant_;  // Of each that has streams; not of decisions without a tenant.
    std::vector<StreamKey> evicted_;
    std::uint64_t unwatched_ = 0;
    std::uint64_t unwatched_of_tenants_ = 0;
    UnixMillis searched_at_ = 0;
};

/// What an alert of this finding is called.
AlertKey alert_key(const Finding& finding);

}  // namespace tidegate::drift
