#include "services/speech/speech.h"

#include <fmt/core.h>

#include "base/ids.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "pipeline/context.h"
#include "pipeline/identity/caller.h"
#include "services/speech/answers.h"
#include "services/speech/measured.h"

namespace tidegate::speech {
namespace {

std::string wish_json(const Session& session, const Wish& wish) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("session", session.id).field("tenant", session.tenant);
    writer.field("separation", wish.separation == Separation::kOn    ? "on"
                               : wish.separation == Separation::kOff ? "off"
                                                                     : "auto");
    writer.field("summary", wish.summary);
    if (wish.translate) writer.field("translate", true);
    if (!wish.language.empty()) writer.field("language", wish.language);
    if (!wish.prompt.empty()) writer.field("prompt", wish.prompt);
    if (wish.temperature) writer.field("temperature", *wish.temperature);
    writer.end_object();
    return out;
}

struct ReadWish {
    std::string session, tenant;
    Wish wish;
};

Result<ReadWish> read_wish(std::string_view payload) {
    TG_TRY(const json::Document document, json::parse(payload));
    const json::Value root = document.root();
    const auto text = [&](std::string_view name) {
        const auto found = root.kind() == json::Kind::kObject ? root.find(name) : std::nullopt;
        return found && found->kind() == json::Kind::kString ? std::string(found->as_string()) : std::string();
    };
    ReadWish out{.session = text("session"), .tenant = text("tenant")};
    if (out.session.empty()) return fail(ErrorCode::kDataLoss, "The job does not say of which session it is.");
    const std::string separation = text("separation");
    out.wish.separation = separation == "on"    ? Separation::kOn
                          : separation == "off" ? Separation::kOff
                                                : Separation::kAuto;
    const auto flag = [&](std::string_view name) {
        const auto found = root.find(name);
        return found && found->kind() == json::Kind::kBool && found->as_bool();
    };
    out.wish.summary = flag("summary");
    out.wish.translate = flag("translate");
    out.wish.language = text("language");
    out.wish.prompt = text("prompt");
    const auto temperature = root.find("temperature");
    if (temperature && temperature->is_number()) out.wish.temperature = temperature->as_double();
    return out;
}

void add_to(std::atomic<double>& sum, double more) {
    sum.fetch_add(more, std::memory_order_relaxed);
}

}  // namespace

Speech::Speech(const SpeechSettings& settings, const service::House& house)
    : settings_(settings), house_(house), decoders_(settings.model_dir, settings.decoders) {}

Speech::~Speech() {
    stop();
}

Result<std::unique_ptr<Speech>> Speech::open(const SpeechSettings& settings, const service::House& house) {
    std::unique_ptr<Speech> speech(new Speech(settings, house));
    TG_CHECK(speech->open_engines());
    TG_TRY(speech->store_, SpeechStore::open(house.database_path, house.clock, settings.keep));
    speech->shares_ = std::make_unique<DiskShares>(*speech->store_, settings.tenant_bytes_max);
    // Pauses double up to five minutes: an upstream may be away for half an hour, a model that is not there is installed by somebody.
    TG_CHECK(house.jobs.add_kind({.name = std::string(kJobKind),
                                  .threads = settings.decoders,
                                  .attempts_max = speech->has_upstream() ? 14U : 5U,
                                  .work = [self = speech.get()](jobs::Run& run) { return self->work(run); },
                                  .on_end = [self = speech.get()](const jobs::Job& job) { self->on_job_end(job); }}));
    const bool wants_model = !speech->has_upstream() || settings.fallback == kEmbedded;
    if (const std::string missing = missing_model(settings.model_dir); wants_model && !missing.empty()) {
        house.log.line(observe::Level::kWarn, "speech_model_missing").field("reason", missing);
    }
    speech->sweeper_ = std::thread([self = speech.get()] { self->sweep_each_minute(); });
    return speech;
}

void Speech::stop() {
    decltype(waiters_) left;  // End after the lock: the last holder of a request may answer it.
    decltype(recording_) untold;
    {
        const Lock lock(mutex_);
        left.swap(waiters_);
        untold.swap(recording_);
        stopping_ = true;
        stop_asked_.notify_all();
    }
    if (sweeper_.joinable()) sweeper_.join();
}

void Speech::sweep_each_minute() {
    constexpr Duration kSweepPause = std::chrono::minutes(1);
    for (;;) {
        if (const auto swept = sweep(); !swept) {
            house_.log.line(observe::Level::kWarn, "speech_sweep_failed").field("reason", swept.error().message);
        }
        const Lock lock(mutex_);
        if (!stopping_) stop_asked_.wait_for(mutex_, kSweepPause);
        if (stopping_) return;
    }
}

/// What is over goes after speech.keep_s. What was accepted ends with its job, also where nobody was told of the job's end: a kill came
/// between the two databases, or the job was cancelled while the server was down. The accepted ones hold their tenant's share.
Result<void> Speech::sweep() {
    constexpr UnixMillis kLeaveForMs = 60'000;
    TG_CHECK(store_->remove_old());
    TG_TRY(const auto unfinished, store_->accepted_before(house_.clock.unix_ms() - kLeaveForMs));
    for (const SpeechStore::Unfinished& one : unfinished) {
        {
            const Lock lock(mutex_);
            if (stopping_) return {};
            if (accepting_.contains(one.id)) continue;
        }
        TG_CHECK(sweep_unfinished(one));
    }
    return {};
}

Result<void> Speech::sweep_unfinished(const SpeechStore::Unfinished& one) {
    TG_TRY(const std::optional<jobs::Job> job, job_of(one));
    if (job && !jobs::is_over(job->state)) return {};
    if (one.is_old) {
        if (job) TG_CHECK(house_.jobs.forget_file(job->id));
        TG_CHECK(store_->remove(one.id, one.tenant));
        return {};
    }
    const UnixMillis now = house_.clock.unix_ms();
    if (!job) {
        TG_CHECK(store_->fail_session(one.id, {ErrorCode::kNotFound, "Its job is gone."}, now));
    } else if (job->state == jobs::JobState::kCancelled) {
        TG_CHECK(store_->cancel_session(one.id, now));
    } else if (job->state != jobs::JobState::kDead) {  // A dead one keeps its recording, and may be retried.
        const std::string why = job->error.empty() ? "Its job is over without a transcript." : job->error;
        TG_CHECK(store_->fail_session(one.id, {ErrorCode::kInternal, why}, now));
    }
    return {};
}

/// Nothing: it is gone, or never came to be. A kill may have come after the job and before its note in the session: then it is found
/// among those that still have the recording, and noted.
Result<std::optional<jobs::Job>> Speech::job_of(const SpeechStore::Unfinished& one) {
    using jobs::JobState;
    if (!one.job.empty()) {
        auto job = house_.jobs.find(one.job);
        if (job) return std::optional(*std::move(job));
        if (job.error().code == ErrorCode::kNotFound) return std::optional<jobs::Job>();
        return std::unexpected(std::move(job).error());
    }
    // A worker may take or give back one between two looks: a third sees it.
    for (const JobState state : {JobState::kQueued, JobState::kRunning, JobState::kQueued, JobState::kDead}) {
        jobs::JobFilter filter{.kind = std::string(kJobKind), .state = state, .limit = 500};
        for (bool more = true; more;) {
            TG_TRY(std::vector<jobs::Job> page, house_.jobs.list(filter));
            for (const jobs::Job& listed : page) {
                if (listed.tenant != one.tenant) continue;
                auto job = house_.jobs.find(listed.id);  // With its payload, which lists leave out.
                if (!job && job.error().code != ErrorCode::kNotFound) return std::unexpected(std::move(job).error());
                const auto wish = job ? read_wish(job->payload) : std::unexpected(job.error());
                if (!wish || wish->session != one.id) continue;
                TG_CHECK(store_->set_job(one.id, job->id));
                return std::optional(*std::move(job));
            }
            more = page.size() == filter.limit;
            if (more) filter.before = page.back().id;
        }
    }
    return std::optional<jobs::Job>();
}

SoundLimits Speech::limits() const {
    return {.seconds_max = std::chrono::duration<double>(settings_.audio_max).count()};
}

Result<std::optional<double>> Speech::look_at(const std::string& path, const std::function<bool()>& is_gone) const {
    SoundLimits its = limits();
    const SteadyTime until = house_.clock.now() + kLookMax;
    its.should_stop = [&] { return house_.clock.now() >= until || is_gone(); };
    const auto file = SoundFile::open(path, its);
    if (file) return (*file)->info().duration_s;
    if (file.error().code == ErrorCode::kCancelled && !is_gone()) {
        return fail(ErrorCode::kFailedValidation, "The recording's head takes too long to read.");
    }
    return std::unexpected(file.error());
}

Result<Accepted> Speech::accept(const pipeline::Context& context, Uploaded uploaded, const Wish& wish,
                                WhenDone when_done) {
    Session session;
    session.id = context.make_id();
    if (const auto& caller = context.caller()) {
        session.tenant = caller->tenant;
        session.actor = caller->actor;
    }
    session.file_name = uploaded.file_name;
    session.bytes = uploaded.bytes;
    session.sha256 = to_hex(uploaded.hash);
    session.created = house_.clock.unix_ms();
    {
        const Lock lock(mutex_);
        accepting_.insert(session.id);
    }
    auto accepted = hand_to_jobs(session, std::move(uploaded), wish, std::move(when_done));
    const Lock lock(mutex_);
    accepting_.erase(session.id);
    return accepted;
}

Result<Accepted> Speech::hand_to_jobs(const Session& session, Uploaded uploaded, const Wish& wish, WhenDone when_done) {
    TG_CHECK(store_->add(session));
    uploaded.place.give_back();  // From here on the store knows of its bytes.
    if (when_done) {
        const Lock lock(mutex_);
        waiters_[session.id] = std::move(when_done);
    }
    auto job = house_.jobs.submit({.kind = std::string(kJobKind),
                                   .tenant = session.tenant,
                                   .actor = session.actor,
                                   .title = fmt::format("a recording of {} bytes", session.bytes),
                                   .payload = wish_json(session, wish),
                                   .blob_path = uploaded.file.give_away(),
                                   .once_key = session.id});
    if (!job) {
        forget_waiter(session.id);
        static_cast<void>(store_->remove(session.id, session.tenant));
        return std::unexpected(std::move(job).error());
    }
    if (const auto noted = store_->set_job(session.id, *job); !noted) {
        // Nobody could find it: it is taken back as a whole, and its recording with the job.
        forget_waiter(session.id);
        static_cast<void>(house_.jobs.cancel(*job));
        static_cast<void>(store_->remove(session.id, session.tenant));
        return std::unexpected(noted.error());
    }
    return Accepted{.session = session.id, .job = *std::move(job)};
}

void Speech::forget_waiter(const std::string& session) {
    const Lock lock(mutex_);
    waiters_.erase(session);
}

void Speech::tell_waiter(const std::string& session, const std::optional<Error>& why) {
    WhenDone waiter;
    {
        const Lock lock(mutex_);
        const auto found = waiters_.find(session);
        if (found == waiters_.end()) return;
        waiter = std::move(found->second);
        waiters_.erase(found);
    }
    waiter(session, why);
}

void Speech::on_job_end(const jobs::Job& job) {
    const auto read = read_wish(job.payload);
    if (!read) return;
    if (job.state == jobs::JobState::kCancelled) {
        // Its share of the disk is free from here on. What cannot be written now is by the sweep.
        if (const auto ended = store_->cancel_session(read->session, house_.clock.unix_ms()); !ended) {
            house_.log.line(observe::Level::kWarn, "speech_session_not_ended").field("reason", ended.error().message);
        }
        return tell_waiter(read->session, Error{ErrorCode::kConflict, "The transcription was cancelled."});
    }
    if (job.state == jobs::JobState::kDead) failed_.add();
    tell_waiter(read->session, Error{ErrorCode::kUnavailable, "The recording could not be transcribed: " + job.error});
}

bool Speech::is_waited_for(const std::string& session) {
    const Lock lock(mutex_);
    return waiters_.contains(session);
}

Result<bool> Speech::is_recorded(const std::string& id) const {
    const auto parsed = parse_uuid(id);
    if (!parsed) return fail(ErrorCode::kDataLoss, "The session's record has no id.");
    return house_.is_recorded(*parsed);
}

bool Speech::begin_record(const std::string& session, WhenRecorded told) {
    const Lock lock(mutex_);
    auto& all = recording_[session];
    all.push_back(std::move(told));
    return all.size() == 1;
}

void Speech::end_record(const std::string& session, const Result<void>& how) {
    std::vector<WhenRecorded> all;
    {
        const Lock lock(mutex_);
        const auto found = recording_.find(session);
        if (found == recording_.end()) return;
        all = std::move(found->second);
        recording_.erase(found);
    }
    for (WhenRecorded& one : all) one(how);
}

jobs::Outcome Speech::end_failed(const std::string& session, const Error& error) {
    const auto stored = store_->fail_session(session, error, house_.clock.unix_ms());
    if (!stored) return jobs::Outcome::retry(stored.error().message);
    if (*stored) failed_.add();
    tell_waiter(session);
    return jobs::Outcome::failed(error.message);
}

jobs::Outcome Speech::work(jobs::Run& run) {
    const auto read = read_wish(run.job().payload);
    if (!read) return jobs::Outcome::failed(read.error().message);
    const auto session = store_->find(read->session, read->tenant);
    if (!session) {
        // Deleted meanwhile: nobody wants it any more.
        if (session.error().code == ErrorCode::kNotFound) return jobs::Outcome::failed("its session was deleted");
        return jobs::Outcome::retry(session.error().message);
    }
    return transcribe_session(run, *session, read->wish);
}

jobs::Outcome Speech::transcribe_session(jobs::Run& run, const Session& session, const Wish& wish) {
    // A run before came so far: what it came to stays. It was killed between the two databases, or could not store the summary.
    if (session.state == "completed") return end_completed(session, wish);
    if (session.state != "accepted") return jobs::Outcome::failed(session.error);
    TranscribeOptions options;
    options.limits = limits();
    options.limits.should_stop = [&run] { return run.is_cancelled(); };
    options.separation = wish.separation;
    options.pauses.longest = settings_.chunk_max;
    options.progress = [&run](double fraction) { run.progress(fraction, "listening"); };
    const SteadyTime began = house_.clock.now();
    auto heard = hear(run.job().blob_path, wish, options);
    if (!heard) return end_unheard(run, session, heard.error());
    Session done = session;
    done.finished = house_.clock.unix_ms();
    done.engine = std::move(heard->engine);
    done.model = std::move(heard->model);
    done.model_version = std::move(heard->model_version);
    done.fallback = std::move(heard->fallback);
    done.task = wish.translate ? "translate" : "transcribe";
    done.took_s = std::chrono::duration<double>(house_.clock.now() - began).count();
    done.transcript = std::move(heard->transcript);
    const auto stored = store_->complete(done);
    if (!stored) return jobs::Outcome::retry(stored.error().message);
    if (*stored) count_completed(done);
    return end_completed(done, wish);
}

jobs::Outcome Speech::end_unheard(const jobs::Run& run, const Session& session, const NotHeard& why) {
    if (why.error.code == ErrorCode::kCancelled) return jobs::Outcome::interrupted();
    const bool last = run.job().attempts >= run.job().attempts_max;
    // An upstream may be away for long: whoever waits hears of it now, and may ask again. What nobody waits for is tried to the last, and
    // then its job is dead: it keeps the recording, and may be retried when the upstream is mended.
    const bool ends = has_upstream() ? is_waited_for(session.id) : last;
    if (why.again && !ends) return jobs::Outcome::retry(why.error.message, why.pause);
    return end_failed(session.id, why.error);
}

void Speech::count_completed(const Session& session) {
    const Transcript& transcript = session.transcript;
    completed_.add();
    (session.engine == kUpstream ? by_upstream_ : by_embedded_).add();
    add_to(audio_s_, transcript.duration_s);
    add_to(speech_s_, transcript.speech_s);
    add_to(cpu_s_, transcript.cpu_s);
    for (const Segment& one : transcript.segments) words_.add(count_words(one));
}

jobs::Outcome Speech::end_completed(const Session& session, const Wish& wish) {
    if (wish.summary) {
        if (const auto made = summarise_session(session); !made) return jobs::Outcome::retry(made.error().message);
    }
    tell_waiter(session.id);
    std::string out;
    JsonWriter(out).begin_object().field("session_id", session.id).end_object();
    return jobs::Outcome::succeeded(std::move(out));
}

Result<std::string> Speech::summarise_session(const Session& session) {
    TG_TRY(std::optional<std::string> saved, store_->summary(session.id));
    if (saved) return *std::move(saved);
    std::string json = session_summary_json(session, settings_.key_points);
    TG_CHECK(store_->save_summary(session.id, json, house_.clock.unix_ms()));
    return json;
}

void Speech::append_status(JsonWriter& writer) const {
    const EngineState state = engine_state();
    writer.field("status", state.ready ? "ready" : "unavailable").field("engine", settings_.engine);
    writer.field("model", model());
    if (!state.detail.empty()) writer.field("detail", state.detail);
}

void Speech::register_routes(std::vector<pipeline::Route>& routes) {
    register_transcribe_routes(routes, *this);
    register_session_routes(routes, *this);
    register_summary_route(routes, *this);
    register_openai_routes(routes, *this);
}

void Speech::declare_metrics(observe::Registry& registry) const {
    using observe::MetricType;
    using observe::Samples;
    registry.callback({.name = "tidegate_speech_recordings_total",
                       .help = "Recordings whose work is over.",
                       .labels = {"outcome"},
                       .when_it_rises = "failed: what callers send cannot be read; GET /api/v1/jobs says why."},
                      MetricType::kCounter, [this](Samples& out) {
                          out.add({"completed"}, static_cast<double>(completed_.value()));
                          out.add({"failed"}, static_cast<double>(failed_.value()));
                      });
    registry.callback({.name = "tidegate_speech_seconds_total",
                       .help = "Seconds of recordings, of speech found in them, and of CPU spent on it.",
                       .labels = {"of"}},
                      MetricType::kCounter, [this](Samples& out) {
                          out.add({"audio"}, audio_s_.load());
                          out.add({"speech"}, speech_s_.load());
                          out.add({"cpu"}, cpu_s_.load());
                      });
    registry.callback({.name = "tidegate_speech_words_total", .help = "Words that were recognised."},
                      MetricType::kCounter, [this](Samples& out) { out.add({}, static_cast<double>(words_.value())); });
    registry.callback({.name = "tidegate_speech_decoders",
                       .help = "Decoders: allowed, made so far (105 MB each), at work.",
                       .labels = {"state"}},
                      MetricType::kGauge, [this](Samples& out) {
                          out.add({"allowed"}, decoders_.size());
                          out.add({"made"}, decoders_.made());
                          out.add({"at_work"}, decoders_.lent());
                      });
    registry.callback({.name = "tidegate_speech_model_ready", .help = "1: the recogniser's model is there."},
                      MetricType::kGauge,
                      [this](Samples& out) { out.add({}, missing_model(decoders_.model_dir()).empty() ? 1 : 0); });
    declare_engine_metrics(registry);
}

}  // namespace tidegate::speech
