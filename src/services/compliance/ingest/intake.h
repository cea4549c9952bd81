// Intake: decisions from elsewhere into the log, each once, whoever sends it how often.
//
// Position    Between those who read decisions (routes, files, a queue) and the segment log.
// Guarantee   One record for one request of one tenant, also with many senders at once and over restarts. A second send of the same
//             content is a duplicate and gets the first one's id; of another content a conflict; the record never changes.
//             An outcome is given when the record is durable, also where audit.when_failing lets answers go without.
// Algorithm   A table of what is under way decides between senders of now; IngestIndex, what it holds of the newest, and the log where
//             that says "perhaps", decide against the past. The index knows a record before it leaves the table.
// Memory      What was handed in, until its outcome.
// Threads     take() from any thread that may wait for a disk: it reads the log for what is not surely new. `done` runs on the
//             log's finisher, or on the caller's thread; it must be short.
// When full   The log's queue is full or its disk fails: the outcome of those records is kFailed, kUnavailable.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "audit/log_store.h"
#include "audit/privacy/crypto.h"
#include "audit/privacy/policy.h"
#include "base/mutex.h"
#include "services/compliance/ingest/decision_json.h"
#include "services/compliance/ingest/ingest_index.h"

namespace tidegate::compliance::ingest {

struct Outcome {
    enum class Kind : std::uint8_t {
        kRecorded,
        kDuplicate,  // The same content is in the log already: `id` and `leaf` are that one's.
        kConflict,   // Another content is: `id` and `leaf` are that one's.
        kFailed,     // Nothing was recorded: `error` says why.
    };
    Kind kind = Kind::kFailed;
    Uuid id;
    std::uint64_t leaf = 0;
    std::optional<Error> error;
};
/// `recorded`, `duplicate`, `conflict`, `failed`.
std::string_view to_string(Outcome::Kind kind) noexcept;

struct IntakeHealth {
    std::uint64_t recorded = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t conflicts = 0;
    std::uint64_t failed = 0;
    std::uint64_t looked_up = 0;  // Of the new and the duplicates: those for which the log was asked.
    std::uint64_t under_way = 0;
};

class Intake {
  public:
    using Done = std::move_only_function<void(std::vector<Outcome>)>;
    struct Parts {
        audit::LogStore& log;
        const IngestIndex& index;  // Follows that log.
        audit::privacy::PrivacyPolicy* privacy = nullptr;
        audit::privacy::Key digest_key;
    };
    explicit Intake(Parts parts) : parts_(std::move(parts)) {}

    /// One outcome for each, in their order. Not empty.
    void take(std::vector<Incoming> incoming, Done done);
    IntakeHealth health() const;

  private:
    using Digest = KnownRequest::Digest;
    using Found = KnownRequest;
    struct Group;
    struct Waiter {
        std::shared_ptr<Group> group;
        std::size_t slot = 0;
    };
    /// Who brings a request to its end, and who waits for that.
    struct UnderWay {
        Waiter owner;
        std::vector<Waiter> others;
    };
    struct Shard {
        Mutex mutex;
        std::map<RequestKey, UnderWay> under_way TG_GUARDED_BY(mutex);
    };
    static constexpr std::size_t kShards = 16;

    Shard& shard(const RequestKey& key) { return shards_[key.bytes[15] % kShards]; }
    /// Whether the waiter is the owner.
    bool begin(const RequestKey& key, const Waiter& waiter);
    Result<std::optional<Found>> look_up(const audit::Decision& decision);
    /// What the log has of the request; nothing: it is to be appended, and ready for that.
    Result<std::optional<Found>> prepare(Group& group, std::size_t slot);
    void append(const std::shared_ptr<Group>& group, std::vector<std::size_t> slots);
    /// The request has come to its end; `fresh`: by its owner's append.
    void settle(const RequestKey& key, const Result<Found>& found, bool fresh);
    void tell(const Waiter& waiter, const Result<Found>& found, bool fresh);
    Digest keyed_digest(const Sha256& content) const;

    const Parts parts_;
    std::array<Shard, kShards> shards_;
    std::array<std::atomic<std::uint64_t>, 4> counts_{};
    std::atomic<std::uint64_t> looked_up_{0};
    std::atomic<std::uint64_t> under_way_{0};
};

}  // namespace tidegate::compliance::ingest
