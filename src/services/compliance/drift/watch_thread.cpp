// The monitor's thread: takes what the log has given, looks at it, saves, tells.
#include <algorithm>
#include <chrono>
#include <utility>

#include "http/sse.h"
#include "services/compliance/drift/alert_json.h"
#include "services/compliance/drift/watch.h"

namespace tidegate::compliance {
namespace {

constexpr std::chrono::milliseconds kTick{1000};
// The log may tell of records a moment before its reader finds them.
constexpr std::chrono::milliseconds kCatchUpPause{20};
constexpr Duration kKeepAlive = std::chrono::seconds(15);
constexpr std::uint64_t kChunk = 4096;      // Records read from the log at a time.
constexpr std::size_t kUnderOneLock = 256;  // Observations: some 0.1 ms.

std::string notice_body(const drift::Alert& alert, std::string_view event, UnixMillis now) {
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("event", event).field("at", format_rfc3339(now));
    append_json(writer.key("alert"), alert);
    writer.end_object();
    return body;
}

}  // namespace

void DriftWatch::run() {
    for (;;) {
        const Work work = wait_for_work();
        work_through();
        tick();
        const bool last = work == Work::kLast;
        if (last || save_is_due()) save();
        if (last) break;
    }
    {
        const Lock lock(state_mutex_);
        running_ = false;
    }
    saved_.notify_all();
    settled_.notify_all();
}

DriftWatch::Work DriftWatch::wait_for_work() {
    const Lock lock(queue_mutex_);
    const bool behind = !direct_ && next_ < end_;
    if (queue_.empty() && !stopping_ && !save_wanted_) {
        // Woken by follow(), by a change, by the webhook, by stop(); and each second by itself.
        static_cast<void>(wake_.wait_for(queue_mutex_, behind ? kCatchUpPause : kTick));
    }
    return stopping_ ? Work::kLast : Work::kLook;
}

void DriftWatch::work_through() {
    std::vector<Queued> queued;
    std::uint64_t end = 0;
    {
        const Lock lock(queue_mutex_);
        queued.swap(queue_);
        end = queue_end_;
        if (next_ >= end) end = next_;
    }
    look_at(queued, end);
    while (read_again()) {
    }
}

// A chunk of what the queue could not take. False: nothing more to read now.
bool DriftWatch::read_again() {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    {
        const Lock lock(queue_mutex_);
        if (direct_ || stopping_) return false;
        from = next_;
        to = std::min(end_, from + kChunk);
        if (from >= to) {
            direct_ = true;
            queue_end_ = end_;
            return false;
        }
    }
    if (const std::uint64_t first = reader_->first_leaf(); first > from) {
        const Lock lock(queue_mutex_);
        missed_ += first - from;
        next_ = from = first;
        if (from >= to) return true;
    }
    std::vector<Queued> chunk;
    const auto reached = read_chunk(from, to, chunk);
    if (!reached) {
        note_failure(reached.error().message);
        return false;
    }
    if (*reached == from) return false;
    look_at(chunk, *reached);
    return true;
}

Result<std::uint64_t> DriftWatch::read_chunk(std::uint64_t from, std::uint64_t to, std::vector<Queued>& chunk) const {
    Result<void> decoded;
    TG_TRY(const std::uint64_t reached, reader_->scan(from, to, [&](std::uint64_t leaf, audit::segments::Bytes bytes) {
        const auto record = audit::segments::decode(bytes);
        if (!record) {
            decoded = std::unexpected(record.error());
            return false;
        }
        if (!settings_.enabled) return true;
        if (auto queued = extract_.take(leaf, *record)) chunk.push_back(*std::move(queued));
        return true;
    }));
    TG_CHECK(std::move(decoded));
    return reached;
}

// `end` is the leaf after the last of them, or further: what lies between are records that are not looked at.
void DriftWatch::look_at(std::span<Queued> queued, std::uint64_t end) {
    while (!queued.empty()) {
        const auto chunk = queued.first(std::min(queued.size(), kUnderOneLock));
        queued = queued.subspan(chunk.size());
        for (Queued& one : chunk) extract_.finish(one);
        std::vector<drift::Finding> findings;
        const Lock lock(state_mutex_);
        for (const Queued& one : chunk) monitor_.add(one.observation, findings);
        take_findings(findings);
        looked_at_ = chunk.back().leaf + 1;
    }
    {
        const Lock lock(state_mutex_);
        looked_at_ = std::max(looked_at_, end);
    }
    {
        const Lock lock(queue_mutex_);
        next_ = std::max(next_, end);
    }
    settled_.notify_all();
}

void DriftWatch::take_findings(const std::vector<drift::Finding>& findings) {
    for (const drift::Finding& finding : findings) {
        const auto outcome = alerts_.raise(drift::alert_key(finding), finding.evidence, finding.at);
        if (outcome.raised == drift::Raised::kDropped) continue;
        if (outcome.raised == drift::Raised::kOpened) {
            note_change(outcome.id, "opened");
        } else {
            changed_alerts_.insert(outcome.id);
        }
    }
}

void DriftWatch::note_change(std::uint64_t id, std::string_view event) {
    changed_alerts_.insert(id);
    const drift::Alert* const alert = alerts_.find(id);
    if (alert == nullptr) return;
    Notice notice;
    notice.event = event == "open" ? "reopened" : event;
    notice.tenant = alert->key.tenant;
    notice.body = notice_body(*alert, notice.event, clock_.unix_ms());
    notices_.push_back(std::move(notice));
}

// Each second: what time alone changes.
void DriftWatch::tick() {
    if (webhook_ != nullptr) {
        webhook_->pump();
        std::ranges::copy(webhook_->ended(), std::back_inserter(posts_ended_));
    }
    const SteadyTime now = clock_.now();
    if (now - last_tick_ < kTick) return;
    last_tick_ = now;
    {
        const Lock lock(state_mutex_);
        for (const std::uint64_t id : alerts_.tick(clock_.unix_ms())) {
            const drift::Alert* const alert = alerts_.find(id);
            if (alert != nullptr) note_change(id, to_string(alert->state));
        }
    }
    tell_statistics();
    if (now - last_keep_alive_ >= kKeepAlive) {
        last_keep_alive_ = now;
        listeners_.keep_alive(now);
    }
}

bool DriftWatch::save_is_due() {
    bool wanted = false;
    {
        const Lock lock(queue_mutex_);
        wanted = std::exchange(save_wanted_, false);
    }
    const Lock lock(state_mutex_);
    // Whoever waits for a notice waits for the save before it. After a failure: each second.
    const Duration waited = clock_.now() - last_save_;
    if (!save_error_.empty()) return waited >= kTick;
    return wanted || !notices_.empty() || !posts_ended_.empty() || waited >= settings_.save_interval;
}

SaveBatch DriftWatch::take_batch(std::uint64_t& changes) {
    SaveBatch batch;
    taking_.clear();
    const Lock lock(state_mutex_);
    changes = changes_;
    batch.position = looked_at_;
    std::ranges::move(monitor_.take_evicted(), std::back_inserter(gone_));
    // One that made room and came back is saved as new.
    for (const drift::StreamKey& key : gone_) saved_streams_.erase(key);
    batch.gone = gone_;
    for (const drift::Stream* const stream : std::as_const(monitor_).streams()) {
        const auto saved = saved_streams_.find(stream->key());
        const bool is_new = saved == saved_streams_.end();
        const bool same_reference = !is_new && saved->second.reference == stream->reference_version();
        if (same_reference && saved->second.decisions == stream->decisions()) continue;
        SavedStream& one = batch.streams.emplace_back();
        one.key = stream->key();
        if (!same_reference) stream->save_reference(one.reference);
        stream->save_state(one.state);
        taking_[stream->key()] = {stream->decisions(), stream->reference_version()};
    }
    // Taken out: what changes while the save is under way is changed for the next one.
    for (const std::uint64_t id : std::exchange(changed_alerts_, {})) {
        const drift::Alert* const alert = alerts_.find(id);
        if (alert != nullptr) batch.alerts.push_back(*alert);
    }
    batch.posts = std::exchange(notices_, {});
    batch.posts_ended = posts_ended_;
    return batch;
}

void DriftWatch::save() {
    last_save_ = clock_.now();
    std::uint64_t changes = 0;
    SaveBatch batch = take_batch(changes);
    std::vector<Notice> notices = batch.posts;
    if (webhook_ == nullptr) batch.posts.clear();
    const auto saved = store_.save(batch);
    if (saved) {
        if (webhook_ != nullptr) notices = std::move(batch.posts);  // With their ids.
        gone_.clear();
        posts_ended_.clear();
    }
    {
        const Lock lock(state_mutex_);
        changes_saved_ = changes;
        save_error_ = saved ? "" : saved.error().message;
        if (saved) {
            saved_leaf_ = batch.position;
            for (const auto& [key, versions] : taking_) saved_streams_[key] = versions;
        } else {
            for (const drift::Alert& alert : batch.alerts) changed_alerts_.insert(alert.id);
            notices_.insert(notices_.begin(), std::make_move_iterator(notices.begin()),
                            std::make_move_iterator(notices.end()));
        }
    }
    saved_.notify_all();
    if (!saved) return note_failure(saved.error().message);
    tell(std::move(notices));
}

void DriftWatch::tell(std::vector<Notice> notices) {
    for (Notice& notice : notices) {
        if (logger_ != nullptr) {
            observe::Line line = logger_->line(observe::Level::kWarn, "drift_alert");
            line.field("event", notice.event).field("tenant", notice.tenant).json("notice", notice.body);
        }
        std::string event;
        http::append_event(event, {.name = "alert", .data = notice.body, .id = {}, .retry_ms = {}});
        listeners_.send(notice.tenant, event);
        if (webhook_ != nullptr) webhook_->add(std::move(notice));
    }
    if (webhook_ != nullptr) webhook_->pump();
}

// Of each stream that was looked at since the last time.
void DriftWatch::tell_statistics() {
    if (listeners_.size() == 0) return;
    std::vector<std::pair<std::string, std::string>> events;  // Tenant and event.
    {
        const Lock lock(state_mutex_);
        for (const drift::Stream* const stream : std::as_const(monitor_).streams()) {
            UnixMillis& told = told_looks_[stream->key()];
            if (stream->last_look().at <= told) continue;
            told = stream->last_look().at;
            std::string data;
            JsonWriter writer(data);
            append_json(writer, *stream, monitor_.options());
            std::string event;
            http::append_event(event, {.name = "statistics", .data = data, .id = {}, .retry_ms = {}});
            events.emplace_back(stream->key().tenant, std::move(event));
        }
    }
    for (const auto& [tenant, event] : events) listeners_.send(tenant, event);
}

void DriftWatch::note_failure(const std::string& reason) {
    bool is_new = false;
    {
        const Lock lock(queue_mutex_);
        ++save_failures_;
        is_new = std::exchange(reason_, reason) != reason;
    }
    if (is_new && logger_ != nullptr) logger_->line(observe::Level::kError, "drift_failing").field("reason", reason);
}

}  // namespace tidegate::compliance
