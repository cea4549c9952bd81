#include "services/compliance/ingest/intake.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "audit/segments/record.h"

namespace tidegate::compliance::ingest {
namespace {

// Records that are appended together. Small enough for the smallest segment; 100 usual records share the log's lock.
constexpr std::size_t kGroupBytesMax = 32 * 1024;
// Records of one request id, of all tenants and ways, that are looked at. Clients of the other routes choose the ids of theirs, so
// that thousands may lie before another tenant's; over this nobody can say in reasonable time whether one of them is this one.
constexpr std::size_t kLookUpMax = 1'000'000;

constexpr std::array<std::string_view, 4> kNames{"recorded", "duplicate", "conflict", "failed"};

}  // namespace

std::string_view to_string(Outcome::Kind kind) noexcept {
    return kNames[static_cast<std::size_t>(kind)];
}

/// What one call of take() brought.
struct Intake::Group {
    std::vector<Incoming> items;
    std::vector<RequestKey> keys;
    std::vector<Digest> digests;
    std::vector<Outcome> outcomes;
    std::optional<Error> refused;  // The log took nothing when all of it had begun.
    std::atomic<std::size_t> open{0};
    Done done;

    void close_one() {
        if (open.fetch_sub(1, std::memory_order_acq_rel) == 1) done(std::move(outcomes));
    }
};

void Intake::take(std::vector<Incoming> incoming, Done done) {
    const auto group = std::make_shared<Group>();
    const std::size_t count = incoming.size();
    group->items = std::move(incoming);
    group->keys.resize(count);
    group->digests.resize(count);
    group->outcomes.resize(count);
    group->done = std::move(done);
    group->open.store(count + 1, std::memory_order_relaxed);
    under_way_.fetch_add(count, std::memory_order_relaxed);
    std::vector<std::size_t> owned;
    owned.reserve(count);
    for (std::size_t slot = 0; slot < count; ++slot) {
        const Incoming& item = group->items[slot];
        group->keys[slot] = request_key(parts_.log.log_id(), item.decision.tenant, item.decision.request_id);
        group->digests[slot] = keyed_digest(item.content);
    }
    // Not before all digests are there: another thread may settle the first while the last is still to begin.
    for (std::size_t slot = 0; slot < count; ++slot) {
        if (begin(group->keys[slot], {group, slot})) owned.push_back(slot);
    }
    // A record whose sender was told that it is not certain (audit/postgres) may still be found in the log; until then the log takes
    // nothing. Asked before the index: what is new to the index afterwards is in no such doubt.
    if (const audit::LogHealth log = parts_.log.log_health(); log.degraded) {
        group->refused = Error{ErrorCode::kUnavailable, log.reason};
    }
    std::vector<std::size_t> slots;
    std::size_t bytes = 0;
    for (const std::size_t slot : owned) {
        auto found = prepare(*group, slot);
        if (!found) {
            settle(group->keys[slot], std::unexpected(std::move(found).error()), false);
        } else if (*found) {
            settle(group->keys[slot], **found, false);
        } else {
            const std::size_t size = 4 + audit::segments::encoded_size(group->items[slot].decision);
            if (!slots.empty() && bytes + size > kGroupBytesMax) {
                append(group, std::exchange(slots, {}));
                bytes = 0;
            }
            slots.push_back(slot);
            bytes += size;
        }
    }
    if (!slots.empty()) append(group, std::move(slots));
    group->close_one();
}

Intake::Digest Intake::keyed_digest(const Sha256& content) const {
    // The message has one length and half of the hash is kept: key in front is enough, HMAC would hash twice.
    std::array<char, audit::privacy::Key::kBytes + 32> text;
    std::ranges::copy(parts_.digest_key.chars(), text.begin());
    std::ranges::copy(content, text.begin() + audit::privacy::Key::kBytes);
    const Sha256 hash = sha256({text.data(), text.size()});
    Digest digest;
    write_hex(hash.data(), digest.size() / 2, digest.data());
    return digest;
}

bool Intake::begin(const RequestKey& key, const Waiter& waiter) {
    Shard& its = shard(key);
    const Lock lock(its.mutex);
    const auto [entry, fresh] = its.under_way.try_emplace(key, UnderWay{.owner = waiter, .others = {}});
    if (!fresh) entry->second.others.push_back(waiter);
    return fresh;
}

Result<std::optional<Intake::Found>> Intake::look_up(const audit::Decision& decision) {
    looked_up_.fetch_add(1, std::memory_order_relaxed);
    std::size_t looked_at = 0;
    const auto tag_of = [](const audit::Decision& known) {
        return std::ranges::find(known.tags, kIngestTag, &audit::Tag::name);
    };
    TG_TRY(const auto record,
           parts_.log.reader().find_request_if(decision.request_id, [&](const audit::Decision& known) {
               if (++looked_at > kLookUpMax) return true;
               return known.kind == audit::RecordKind::kDecision && known.tenant == decision.tenant &&
                      tag_of(known) != known.tags.end();
           }));
    if (looked_at > kLookUpMax) {
        return fail(ErrorCode::kFailedValidation, "over a million records share this request id; use ids that differ");
    }
    if (!record) return std::nullopt;
    Found found{.id = record->decision.id, .leaf = record->leaf, .digest = {}};
    // Another length is no digest of ours, and equal to none.
    const std::string& value = tag_of(record->decision)->value;
    if (value.size() == found.digest.size()) std::ranges::copy(value, found.digest.begin());
    return found;
}

Result<std::optional<Intake::Found>> Intake::prepare(Group& group, std::size_t slot) {
    Incoming& item = group.items[slot];
    audit::Decision& decision = item.decision;
    if (!parts_.index.surely_new(filter_key(group.keys[slot]))) {
        const auto recent = parts_.index.recent(group.keys[slot]);
        // What retention has removed since is no record any more.
        if (recent && recent->leaf >= parts_.log.reader().first_leaf()) return recent;
        TG_TRY(auto found, look_up(decision));
        if (found) return found;
    }
    if (group.refused) return std::unexpected(*group.refused);
    decision.id = decision_id(group.keys[slot], item.time);
    if (parts_.privacy != nullptr) {
        const auto input = item.input ? std::optional<std::string_view>(*item.input) : std::nullopt;
        TG_CHECK(parts_.privacy->apply(decision, input));
    }
    // Afterwards, so that no rule takes its digits for somebody's number.
    const Digest& digest = group.digests[slot];
    decision.tags.push_back({std::string(kIngestTag), std::string(digest.data(), digest.size())});
    TG_CHECK(audit::check(decision));
    return std::nullopt;
}

void Intake::append(const std::shared_ptr<Group>& group, std::vector<std::size_t> slots) {
    std::vector<audit::Decision> decisions;
    std::vector<Uuid> ids;
    decisions.reserve(slots.size());
    ids.reserve(slots.size());
    for (const std::size_t slot : slots) {
        decisions.push_back(std::move(group->items[slot].decision));
        ids.push_back(decisions.back().id);
    }
    parts_.log.append_group(
        decisions, [this, group, slots = std::move(slots), ids = std::move(ids)](const Result<std::uint64_t>& first) {
            for (std::size_t i = 0; i < slots.size(); ++i) {
                const std::size_t slot = slots[i];
                if (first) {
                    settle(group->keys[slot], Found{ids[i], *first + i, group->digests[slot]}, true);
                } else {
                    settle(group->keys[slot], std::unexpected(first.error()), true);
                }
            }
        });
}

void Intake::settle(const RequestKey& key, const Result<Found>& found, bool fresh) {
    UnderWay ended;
    {
        Shard& its = shard(key);
        const Lock lock(its.mutex);
        ended = std::move(its.under_way.extract(key).mapped());
    }
    tell(ended.owner, found, fresh);
    for (const Waiter& other : ended.others) tell(other, found, false);
}

void Intake::tell(const Waiter& waiter, const Result<Found>& found, bool fresh) {
    Group& group = *waiter.group;
    Outcome& outcome = group.outcomes[waiter.slot];
    if (!found) {
        outcome = {.kind = Outcome::Kind::kFailed, .id = {}, .leaf = 0, .error = found.error()};
    } else {
        const bool same = found->digest == group.digests[waiter.slot];
        outcome.kind = fresh ? Outcome::Kind::kRecorded : same ? Outcome::Kind::kDuplicate : Outcome::Kind::kConflict;
        outcome.id = found->id;
        outcome.leaf = found->leaf;
    }
    counts_[static_cast<std::size_t>(outcome.kind)].fetch_add(1, std::memory_order_relaxed);
    under_way_.fetch_sub(1, std::memory_order_relaxed);
    group.close_one();
}

IntakeHealth Intake::health() const {
    const auto count = [this](Outcome::Kind kind) {
        return counts_[static_cast<std::size_t>(kind)].load(std::memory_order_relaxed);
    };
    return {.recorded = count(Outcome::Kind::kRecorded),
            .duplicates = count(Outcome::Kind::kDuplicate),
            .conflicts = count(Outcome::Kind::kConflict),
            .failed = count(Outcome::Kind::kFailed),
            .looked_up = looked_up_.load(std::memory_order_relaxed),
            .under_way = under_way_.load(std::memory_order_relaxed)};
}

}  // namespace tidegate::compliance::ingest
