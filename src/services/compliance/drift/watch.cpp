#include "services/compliance/drift/watch.h"

#include <algorithm>
#include <utility>

namespace tidegate::compliance {
namespace {

UnixMillis ms_of(Duration duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

drift::MonitorOptions monitor_options(const DriftSettings& settings) {
    drift::MonitorOptions options;
    options.baseline = settings.baseline_decisions;
    options.window = settings.window_decisions;
    options.window_min = std::min(settings.window_min_decisions, settings.window_decisions);
    options.look_interval_ms = ms_of(settings.look_interval);
    options.window_age_max_ms = ms_of(settings.window_age_max);
    options.alarms_a_month = settings.alarms_a_month;
    options.effects = drift::effects_of_shift(settings.effect_min);
    options.streams_max = settings.streams_max;
    options.tenant_streams_max =
        std::max<std::size_t>(1, std::size_t{settings.streams_max} * settings.tenant_share_percent / 100);
    options.idle_max_ms = ms_of(settings.stream_idle_max);
    options.numbers = settings.numbers;
    return options;
}

drift::AlertOptions alert_options(const DriftSettings& settings) {
    drift::AlertOptions options;
    options.alerts_max = settings.alerts_max;
    options.cool_down_ms = ms_of(settings.cool_down);
    options.quiet_ms = ms_of(settings.quiet);
    return options;
}

Result<void> check(const DriftSettings& settings) {
    constexpr std::size_t kSegmentsMax = 8;
    constexpr std::size_t kNumbersMax = 16;
    if (settings.segments.size() > kSegmentsMax) {
        return fail(ErrorCode::kInvalidArgument, "drift.segments names more than 8 tags");
    }
    if (settings.numbers.size() > kNumbersMax) {
        return fail(ErrorCode::kInvalidArgument, "drift.numbers names more than 16 members");
    }
    return {};
}

}  // namespace

DriftWatch::DriftWatch(const DriftSettings& settings, DriftStore store, const Clock& clock, observe::Logger* logger)
    : settings_(settings),
      clock_(clock),
      logger_(logger),
      extract_(settings.segments, settings.numbers),
      listeners_(settings.listeners_max,
                 std::max<std::size_t>(1, std::size_t{settings.listeners_max} * settings.tenant_share_percent / 100)),
      monitor_(monitor_options(settings)),
      alerts_(alert_options(settings)),
      store_(std::move(store)) {}

DriftWatch::~DriftWatch() {
    stop();
}

Result<std::unique_ptr<DriftWatch>> DriftWatch::open(const DriftSettings& settings, const std::string& path,
                                                     const Clock& clock, observe::Logger* logger) {
    TG_CHECK(check(settings));
    TG_TRY(DriftStore store, DriftStore::open(path, clock));
    std::unique_ptr<DriftWatch> watch(new DriftWatch(settings, std::move(store), clock, logger));
    if (!settings.webhook.url.empty()) {
        DriftWatch* const self = watch.get();
        TG_TRY(watch->webhook_, Webhook::create(settings.webhook, clock, [self] { self->wake_.notify_one(); }));
    }
    TG_CHECK(watch->take_up());
    return watch;
}

Result<void> DriftWatch::take_up() {
    TG_TRY(const std::uint64_t position, store_.position());
    {
        const Lock lock(queue_mutex_);
        end_ = queue_end_ = next_ = position;
    }
    position_.store(position, std::memory_order_release);
    std::vector<SavedStream> streams;
    TG_CHECK(store_.each_stream([&streams](SavedStream saved) -> Result<void> {
        streams.push_back(std::move(saved));
        return {};
    }));
    std::vector<drift::Alert> alerts;
    TG_CHECK(store_.each_alert(settings_.alerts_max, [&alerts](drift::Alert alert) -> Result<void> {
        alerts.push_back(std::move(alert));
        return {};
    }));
    {
        const Lock lock(state_mutex_);
        looked_at_ = saved_leaf_ = position;
        for (const SavedStream& saved : streams) take_up(saved);
        for (drift::Alert& alert : alerts) TG_CHECK(alerts_.restore(std::move(alert)));
    }
    if (webhook_ == nullptr) return {};
    TG_TRY(std::vector<Notice> posts, store_.waiting_posts());
    for (Notice& post : posts) webhook_->add(std::move(post));
    return {};
}

void DriftWatch::take_up(const SavedStream& saved) {
    const auto restored = monitor_.restore(saved.key, saved.reference, saved.state);
    if (!restored) {
        // Its decisions go on; it begins a new reference, and says so.
        if (logger_ != nullptr) {
            logger_->line(observe::Level::kWarn, "drift_stream_begins_anew")
                .field("stream", to_string(saved.key))
                .field("reason", restored.error().message);
        }
        gone_.push_back(saved.key);
        return;
    }
    const drift::Stream* const stream = monitor_.find(saved.key);
    saved_streams_[saved.key] = {stream->decisions(), stream->reference_version()};
    told_looks_[saved.key] = stream->last_look().at;
}

void DriftWatch::fit_to(std::uint64_t end) {
    const std::uint64_t known = position();
    if (known <= end) return;
    if (logger_ != nullptr) {
        logger_->line(observe::Level::kWarn, "drift_log_is_shorter").field("known", known).field("log_end", end);
    }
    {
        const Lock lock(queue_mutex_);
        end_ = queue_end_ = next_ = end;
        save_wanted_ = true;  // Else a death soon after would skip what the log has by then.
    }
    position_.store(end, std::memory_order_release);
    const Lock lock(state_mutex_);
    looked_at_ = saved_leaf_ = end;
}

Result<void> DriftWatch::follow(const audit::DurableRecords& records) {
    bool direct = false;
    {
        const Lock lock(queue_mutex_);
        direct = direct_;
    }
    std::vector<Queued> taken;
    if (direct && settings_.enabled) {
        taken.reserve(records.records.size());
        for (std::size_t i = 0; i < records.records.size(); ++i) {
            if (auto queued = extract_.take(records.first_leaf + i, records.records[i])) {
                taken.push_back(*std::move(queued));
            }
        }
    }
    {
        const Lock lock(queue_mutex_);
        const bool fits = queue_.size() + taken.size() <= settings_.queue_records_max;
        if (direct && direct_ && fits && records.first_leaf == queue_end_) {
            std::ranges::move(taken, std::back_inserter(queue_));
            queue_end_ = records.end();
        } else if (direct_) {
            direct_ = false;
            ++lags_;
        }
        end_ = records.end();
    }
    position_.store(records.end(), std::memory_order_release);
    wake_.notify_one();
    return {};
}

void DriftWatch::start(const audit::LogReader& reader) {
    reader_ = &reader;
    {
        const Lock lock(state_mutex_);
        running_ = true;
    }
    last_save_ = last_tick_ = last_keep_alive_ = clock_.now();
    thread_ = std::thread([this] { run(); });
}

void DriftWatch::stop() {
    {
        const Lock lock(queue_mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
    listeners_.close();  // After the last alert was told.
}

void DriftWatch::settle() {
    const Lock lock(queue_mutex_);
    const std::uint64_t end = end_;
    while (next_ < end && !stopping_) settled_.wait(queue_mutex_);
}

void DriftWatch::read(const std::function<void(const drift::Monitor&, const drift::Alerts&)>& use) const {
    const Lock lock(state_mutex_);
    use(monitor_, alerts_);
}

Result<void> DriftWatch::change(const Change& use) {
    std::uint64_t mine = 0;
    {
        const Lock lock(state_mutex_);
        if (!running_) return fail(ErrorCode::kUnavailable, "The drift monitor is not running.");
        TG_TRY(const std::vector<std::uint64_t> ids, use(monitor_, alerts_));
        for (const std::uint64_t id : ids) {
            const drift::Alert* alert = alerts_.find(id);
            if (alert != nullptr) note_change(id, to_string(alert->state));
        }
        mine = ++changes_;
    }
    {
        const Lock lock(queue_mutex_);
        save_wanted_ = true;
    }
    wake_.notify_one();
    const Lock lock(state_mutex_);
    while (changes_saved_ < mine && running_) saved_.wait(state_mutex_);
    if (changes_saved_ < mine || !save_error_.empty()) {
        return fail(ErrorCode::kUnavailable, "The change is in effect and could not be saved yet.");
    }
    return {};
}

Result<std::vector<drift::Observation>> DriftWatch::period(
    UnixMillis from, UnixMillis to, std::size_t limit,
    const std::function<bool(const drift::Observation&)>& wanted) const {
    if (reader_ == nullptr) return fail(ErrorCode::kUnavailable, "The drift monitor is not running.");
    std::deque<drift::Observation> found;
    audit::segments::ZoneFilter filter;
    filter.from = from;
    filter.to = to;
    Result<void> decoded;
    TG_CHECK(reader_->scan_where(filter, [&](std::uint64_t leaf, audit::segments::Bytes bytes) {
        const auto record = audit::segments::decode(bytes);
        if (!record) {
            decoded = std::unexpected(record.error());
            return false;
        }
        const UnixMillis made = unix_ms_of(record->id);
        if (made < from || made >= to) return true;
        auto queued = extract_.take(leaf, *record);
        if (!queued || !wanted(queued->observation)) return true;
        extract_.finish(*queued);
        found.push_back(std::move(queued->observation));
        if (found.size() > limit) found.pop_front();
        return true;
    }));
    TG_CHECK(std::move(decoded));
    return std::vector<drift::Observation>(std::make_move_iterator(found.begin()),
                                           std::make_move_iterator(found.end()));
}

DriftHealth DriftWatch::health() const {
    DriftHealth health;
    health.position = position();
    {
        const Lock lock(queue_mutex_);
        health.queued = queue_.size();
        health.lags = lags_;
        health.missed = missed_;
        health.save_failures = save_failures_;
        health.reason = reason_;
        health.looked_at = next_;
    }
    {
        const Lock lock(state_mutex_);
        health.saved = saved_leaf_;
        health.streams = monitor_.size();
        health.unwatched = monitor_.unwatched();
        health.unwatched_of_tenants = monitor_.unwatched_of_tenants();
        health.alerts_live = alerts_.live();
        health.alerts_dropped = alerts_.dropped();
    }
    if (webhook_ != nullptr) health.webhook = webhook_->health();
    return health;
}

void DriftWatch::declare_metrics(observe::Registry& registry) const {
    using observe::MetricType;
    const auto add = [&](std::string name, std::string help, std::string rises, MetricType type,
                         std::uint64_t DriftHealth::* member) {
        registry.callback(
            {.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)}, type,
            [this, member](observe::Samples& out) { out.add({}, static_cast<double>(health().*member)); });
    };
    add("tidegate_drift_streams", "Streams of decisions that are watched for drift.",
        "New services, models, tenants or segments; compare with drift.streams_max.", MetricType::kGauge,
        &DriftHealth::streams);
    add("tidegate_drift_alerts_live", "Drift alerts that are not resolved.", "Look at /api/drift/alerts.",
        MetricType::kGauge, &DriftHealth::alerts_live);
    add("tidegate_drift_queue_records", "Decisions that wait for the drift monitor in memory.",
        "The monitor is slower than the log.", MetricType::kGauge, &DriftHealth::queued);
    add("tidegate_drift_unwatched_total", "Decisions that no drift stream had room for.", "Raise drift.streams_max.",
        MetricType::kCounter, &DriftHealth::unwatched);
    add("tidegate_drift_unwatched_of_tenants_total", "Of these, decisions whose tenant had its share of the streams.",
        "A tenant has very many models or operations; raise drift.tenant_share_percent or drift.streams_max.",
        MetricType::kCounter, &DriftHealth::unwatched_of_tenants);
    add("tidegate_drift_lags_total", "Times the drift monitor's queue was full and the log was read again.",
        "Raise drift.queue_records_max, or give the machine more cores.", MetricType::kCounter, &DriftHealth::lags);
    add("tidegate_drift_missed_total", "Decisions that retention removed before the drift monitor looked at them.",
        "The monitor was off for longer than the records are kept.", MetricType::kCounter, &DriftHealth::missed);
    add("tidegate_drift_save_failures_total", "Failures to save the drift monitor's state.",
        "The disk is full or failing; see the log.", MetricType::kCounter, &DriftHealth::save_failures);
    registry.callback({.name = "tidegate_drift_webhook_dead_total",
                       .help = "Posts about drift alerts that were given up or not taken.",
                       .when_it_rises = "The receiver of drift.webhook.url does not answer 2xx."},
                      MetricType::kCounter, [this](observe::Samples& out) {
                          const WebhookHealth webhook = health().webhook;
                          out.add({}, static_cast<double>(webhook.dead + webhook.dropped));
                      });
}

}  // namespace tidegate::compliance
