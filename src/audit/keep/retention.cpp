#include "audit/keep/retention.h"

#include <future>

#include "base/ids.h"
#include "base/json_writer.h"
#include "base/strings.h"

namespace tidegate::audit::keep {
namespace {

// 256 segments of 64 MiB: so many files go in one run, and one event speaks of no more.
constexpr std::uint64_t kSegmentsPerRun = 256;
constexpr std::string_view kOwnActor = "tidegate:retention";

bool meets(const Hold& hold, UnixMillis earliest, UnixMillis latest) {
    return (!hold.from || latest >= *hold.from) && (!hold.to || earliest < *hold.to);
}

// When in doubt it covers: the time of the decision or of its recording, and any tenant where the zone map has lost count.
bool covers(const Hold& hold, const segments::ZoneMap& zone, std::uint64_t seed) {
    if (!hold.tenant.empty() && !zone.tenants.may_contain(segments::key_of(seed, hold.tenant))) return false;
    return meets(hold, zone.time_min, zone.time_max) || meets(hold, zone.recorded_min, zone.recorded_max);
}

std::string json_of(const Hold& hold) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object();
    append_members(writer, hold);
    writer.end_object();
    return out;
}

std::string json_of(const RetentionPlan& plan) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object();
    append_members(writer, plan);
    writer.end_object();
    return out;
}

void time_field(JsonWriter& writer, std::string_view name, const std::optional<UnixMillis>& time) {
    writer.key(name);
    time ? writer.value(format_rfc3339(*time)) : writer.null();
}

}  // namespace

void append_members(JsonWriter& writer, const Hold& hold) {
    writer.field("id", hold.id).field("reason", hold.reason).key("tenant");
    hold.tenant.empty() ? writer.null() : writer.value(hold.tenant);
    time_field(writer, "from", hold.from);
    time_field(writer, "to", hold.to);
    writer.field("placed_by", hold.placed_by).field("placed_at", format_rfc3339(hold.placed));
    writer.field("active", hold.active()).key("released_by");
    hold.released ? writer.value(hold.released_by) : writer.null();
    time_field(writer, "released_at", hold.released);
}

void append_members(JsonWriter& writer, const RetentionPlan& plan) {
    time_field(writer, "before", plan.before);
    writer.field("first_leaf", plan.first_leaf).field("drop_before", plan.drop_before);
    writer.field("segments", plan.segments).field("records", plan.records).field("held_by", plan.held_by);
    writer.field("waits_for_checkpoint", plan.waits_for_checkpoint);
}

Decision make_event(std::string_view operation, const std::string& actor, std::string output, const Clock& clock,
                    Random& random) {
    Decision event = own_event("compliance", operation, clock, random);
    event.actor = actor;
    event.output = std::move(output);
    return event;
}

Retention::Retention(RetentionOptions options, const Parts& parts) : options_(options), parts_(parts) {
    if (options_.background && options_.age > Duration::zero()) thread_ = std::thread([this] { loop(); });
}

Retention::~Retention() {
    stop();
}

void Retention::stop() {
    {
        const Lock lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
}

RetentionHealth Retention::health() const {
    const Lock lock(mutex_);
    return health_;
}

Result<RetentionPlan> Retention::preview() const {
    const LogReader& reader = parts_.store.reader();
    RetentionPlan plan;
    plan.first_leaf = plan.drop_before = reader.first_leaf();
    if (options_.age <= Duration::zero()) return plan;
    plan.before = parts_.clock.unix_ms() - std::chrono::duration_cast<std::chrono::milliseconds>(options_.age).count();
    TG_TRY(const std::vector<Hold> holds,
           parts_.holds.list({.active_only = true, .limit = Holds::kActiveMax, .before = 0, .tenant = {}}));
    const std::uint64_t signed_leaves = parts_.proofs.health().signed_leaves;
    TG_CHECK(reader.each_part([&](const LogPart& part) {
        if (!part.removable) return false;
        if (part.leaves.from != part.leaves.to) {
            if (part.zone.recorded_max >= *plan.before) return false;
            const auto hold =
                std::ranges::find_if(holds, [&](const Hold& one) { return covers(one, part.zone, reader.seed()); });
            if (hold != holds.end()) {
                plan.held_by = hold->id;
                return false;
            }
        }
        if (part.leaves.to > signed_leaves) {
            plan.waits_for_checkpoint = true;
            return false;
        }
        ++plan.segments;
        plan.records += part.leaves.to - part.leaves.from;
        plan.drop_before = part.leaves.to;
        return plan.segments < kSegmentsPerRun;
    }));
    return plan;
}

Result<void> Retention::append_event(std::string operation, const std::string& actor, std::string output,
                                     const std::string& tenant) {
    // Shared with the callback: whoever drops it unanswered breaks the promise instead of keeping us here.
    auto told = std::make_shared<std::promise<Result<void>>>();
    auto answer = told->get_future();
    Decision event = make_event(operation, actor, std::move(output), parts_.clock, parts_.random);
    event.tenant = tenant;
    parts_.log.append(std::move(event), [told](Result<void> result) { told->set_value(std::move(result)); });
    return answer.get();
}

Result<RetentionPlan> Retention::drop(const std::string& actor) {
    TG_TRY(RetentionPlan plan, preview());
    if (plan.segments == 0) return plan;
    TG_CHECK(append_event("retention/drop", actor, json_of(plan)));
    TG_CHECK(parts_.store.remove_before(plan.drop_before));
    TG_CHECK(parts_.proofs.prune(plan.drop_before));
    return plan;
}

Result<RetentionPlan> Retention::run(const std::string& actor) {
    const Turn turn(turns_);
    auto plan = drop(actor);
    const Lock lock(mutex_);
    ++health_.runs;
    health_.last_run = parts_.clock.unix_ms();
    if (plan) {
        health_.records_dropped += plan->records;
        health_.reason.clear();
    } else {
        ++health_.failures;
        health_.reason = plan.error().message;
    }
    return plan;
}

void Retention::loop() {
    for (;;) {
        const auto plan = run(std::string(kOwnActor));
        const bool more = plan && plan->segments == kSegmentsPerRun;
        const Lock lock(mutex_);
        while (!more && !stopping_ && wake_.wait_for(mutex_, options_.interval)) {
        }
        if (stopping_) return;
    }
}

Result<Hold> Retention::place(Hold hold) {
    const Turn turn(turns_);
    TG_TRY(hold, parts_.holds.place(std::move(hold)));
    TG_CHECK(append_event("hold/place", hold.placed_by, json_of(hold), hold.tenant));
    return hold;
}

Result<Hold> Retention::release(std::int64_t id, const std::string& by) {
    const Turn turn(turns_);
    TG_TRY(const Hold before, parts_.holds.find(id));
    if (!before.active()) return fail(ErrorCode::kConflict, "the hold has been released already");
    // The event first: a release that the log does not know of must not take effect.
    std::string said = json_of(before);
    TG_CHECK(append_event("hold/release", by, std::move(said), before.tenant));
    return parts_.holds.release(id, by);
}

}  // namespace tidegate::audit::keep
