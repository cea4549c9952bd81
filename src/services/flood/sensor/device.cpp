#include "services/flood/sensor/device.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace tidegate::flood {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
// 1: before fields had a declared range and a pattern.
constexpr std::uint32_t kFormat = 2;

// Bounds are those of nature or of the unit, not of a good sensor.
constexpr std::array<FieldKind, 16> kKinds{{
    {"water_level_cm", true, Span{-5'000, 10'000}, true, false, false},
    {"water_level_m", true, Span{-50, 100}, true, false, false},
    {"river_stage_m", true, Span{-50, 100}, true, false, false},
    {"stage_m", true, Span{-50, 100}, true, false, false},
    {"flow_m3s", true, Span{0, 400'000}, true, false, false},
    {"rainfall_mm", true, Span{0, 2'000}, false, true, true},
    {"rain_mm", true, Span{0, 2'000}, false, true, true},
    {"rainfall_7d_mean", true, Span{0, 2'000}, false, true, false},
    {"temperature", true, Span{-90, 70}, false, false, false},
    {"temperature_deviation", true, Span{-90, 90}, false, false, false},
    {"humidity", true, Span{0, 100}, false, true, false},
    {"battery_voltage", true, Span{0, 60}, false, true, false},
    {"signal_strength", true, Span{-150, 100}, false, true, false},
    {"turbidity_ntu", true, Span{0, 10'000}, false, false, false},
    {"conductivity_us_cm", true, Span{0, 200'000}, false, false, false},
    {"soil_moisture", true, Span{0, 100}, false, true, false},
}};

/// Values that loggers send for `no value`.
bool is_error_value(double value) noexcept {
    return value == -9999 || value == -999 || value == -99999 || value == 7999;
}

constexpr double kSpikeSuspect = 0.10, kSpikeFail = 0.25;  // Of the learned range: what gauges were checked with.
constexpr double kRateSuspect = 0.20, kRateFail = 0.50;    // A step.
constexpr double kFlatSuspectS = 12 * 3600.0, kFlatFailS = 24 * 3600.0;
constexpr double kFlatOfRange = 1e-4;
constexpr double kGapSuspectSteps = 2.5, kGapFailS = 24 * 3600.0;

Flag over(double size, double suspect, double fail) {
    if (size > fail) return Flag::kFail;
    return size > suspect ? Flag::kSuspect : Flag::kGood;
}

Severity severity_of(double score, double threshold) {
    if (score < threshold) return Severity::kNormal;
    if (score < threshold + 0.5) return Severity::kLow;
    return score < threshold + 1.5 ? Severity::kMedium : Severity::kHigh;
}

void take_worse(FieldFlags& all, const FieldFlags& one) {
    all.gross_range = worse(all.gross_range, one.gross_range);
    all.spike = worse(all.spike, one.spike);
    all.rate_of_change = worse(all.rate_of_change, one.rate_of_change);
    all.flat_line = worse(all.flat_line, one.flat_line);
    all.gap = worse(all.gap, one.gap);
}

class Writer {
  public:
    explicit Writer(std::string& out) : out_(out) {}
    void operator()(const double& value) { append(std::bit_cast<std::uint64_t>(value), 8); }
    void operator()(const std::uint32_t& value) { append(value, 4); }
    void operator()(const std::vector<float>& values) {
        append(values.size(), 4);
        // The layout of floats is the format's: both are little-endian.
        static_assert(std::endian::native == std::endian::little);
        out_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    }
    void text(std::string_view text) {
        append(text.size(), 4);
        out_ += text;
    }
    void append(std::uint64_t value, int bytes) {
        for (int i = 0; i < bytes; ++i) out_.push_back(static_cast<char>(value >> (8 * i)));
    }

  private:
    std::string& out_;
};

class Reader {
  public:
    explicit Reader(std::string_view bytes) : bytes_(bytes) {}
    void operator()(double& value) { value = std::bit_cast<double>(take(8)); }
    void operator()(std::uint32_t& value) { value = static_cast<std::uint32_t>(take(4)); }
    void operator()(std::vector<float>& values) {
        const std::uint64_t count = take(4);
        if (count > bytes_.size() / 4) sound_ = false;
        if (!sound_) return;
        values.resize(count);
        std::memcpy(values.data(), bytes_.data(), count * sizeof(float));
        bytes_.remove_prefix(count * sizeof(float));
    }
    std::string text() {
        const std::uint64_t size = take(4);
        if (size > bytes_.size()) sound_ = false;
        if (!sound_) return {};
        std::string out(bytes_.substr(0, size));
        bytes_.remove_prefix(size);
        return out;
    }
    std::uint64_t take(std::size_t bytes) {
        if (bytes_.size() < bytes) sound_ = false;
        if (!sound_) return 0;
        std::uint64_t value = 0;
        for (std::size_t i = bytes; i-- > 0;) value = value << 8U | static_cast<unsigned char>(bytes_[i]);
        bytes_.remove_prefix(bytes);
        return value;
    }
    bool done() const noexcept { return sound_ && bytes_.empty(); }
    bool sound() const noexcept { return sound_; }

  private:
    std::string_view bytes_;
    bool sound_ = true;
};

}  // namespace

FieldKind kind_of(std::string_view name) noexcept {
    const auto found = std::ranges::find(kKinds, name, &FieldKind::name);
    if (found != kKinds.end()) return *found;
    return {.name = name, .possible = std::nullopt, .may_rest = true};
}

std::string_view to_string(State state) noexcept {
    constexpr std::array<std::string_view, 5> kNames{"normal", "learning", "unsure", "hydrological_event", "fault"};
    return kNames[static_cast<std::size_t>(state)];
}

std::string_view to_string(Detector detector) noexcept {
    return detector == Detector::kTrend ? "trend" : "pattern";
}

std::string_view to_string(Severity severity) noexcept {
    constexpr std::array<std::string_view, 4> kNames{"normal", "low", "medium", "high"};
    return kNames[static_cast<std::size_t>(severity)];
}

FieldFlags Device::flags_of(Field& field, const FieldKind& kind, double value, double time_s) {
    FieldFlags flags;
    const std::optional<Span>& possible = field.range ? field.range : kind.possible;
    const bool impossible = possible && (value < possible->low || value > possible->high);
    // In a range that was declared a logger's code for `no value` may be a value.
    const bool is_code = !field.range && is_error_value(value);
    flags.gross_range = impossible || is_code ? Flag::kFail : Flag::kGood;
    if (flags.gross_range == Flag::kFail) return flags;
    const Trend& trend = field.trend;
    if (field.taken > 0 && trend.step_s() > 0) {
        const double elapsed = time_s - trend.last_time_s();
        flags.gap = over(elapsed, kGapSuspectSteps * trend.step_s(), std::max(kGapFailS, 3 * trend.step_s()));
        if (trend.learned() && trend.range() > 0 && flags.gap == Flag::kGood) {
            flags.rate_of_change =
                over(std::abs(value - field.last), kRateSuspect * trend.range(), kRateFail * trend.range());
        }
    }
    if (trend.learned() && trend.range() > 0 && std::isfinite(field.before)) {
        flags.spike = over(std::abs(field.last - (field.before + value) / 2), kSpikeSuspect * trend.range(),
                           kSpikeFail * trend.range());
    }
    const double tolerance = kFlatOfRange * trend.range();
    field.flat_low = std::min(field.flat_low, value);
    field.flat_high = std::max(field.flat_high, value);
    if (field.taken == 0 || field.flat_high - field.flat_low > tolerance) {
        field.flat_low = field.flat_high = value;
        field.flat_since_s = time_s;
    }
    if (!kind.may_rest && trend.learned()) {
        flags.flat_line = Flag::kGood;
        if (time_s - field.flat_since_s >= kFlatSuspectS) flags.flat_line = Flag::kSuspect;
        if (time_s - field.flat_since_s >= kFlatFailS) flags.flat_line = Flag::kFail;
    }
    return flags;
}

void Device::judge_trend(Field& field, const FieldKind& kind, const TrendVerdict& trend, bool rain, FieldVerdict& out) {
    out.score = trend.score;
    out.state = field.trend.learned() ? State::kNormal : State::kLearning;
    if (out.flags.flat_line == Flag::kFail) {
        out.state = State::kFault;
        out.severity = Severity::kMedium;
    }
    // Rain itself comes all at once: that is no fault of the gauge.
    if (!trend.alarm || kind.is_rain) return;
    out.severity = std::max(out.severity, severity_of(trend.score, out.threshold));
    const bool rises = trend.residual > 0;
    if (kind.is_level && rises) {
        out.state = rain ? State::kEvent : State::kUnsure;
        if (rain) out.severity = Severity::kNormal;
    } else {
        out.state = State::kFault;
    }
}

void Device::judge_pattern(Field& field, double threshold, FieldVerdict& out) {
    if (!field.pattern) field.pattern.emplace();
    if (field.range) field.pattern->declare_range(field.range->low, field.range->high);
    const Surprise surprise = field.pattern->add(out.value, threshold);
    out.detector = Detector::kPattern;
    out.threshold = threshold;
    out.score = surprise.score;
    out.state = field.pattern->count() < ContextMemory::kLearning ? State::kLearning : State::kNormal;
    if (!surprise.alarm) return;
    out.state = State::kUnsure;
    out.severity = severity_of(surprise.score, threshold);
}

FieldVerdict Device::judge(Field& field, const FieldReading& reading, double time_s, bool rain,
                           const Thresholds& thresholds) {
    const FieldKind kind = kind_of(reading.name);
    FieldVerdict out{.name = std::string(reading.name), .value = reading.value, .expected = kNaN};
    out.threshold = kind.is_known ? thresholds.trend : thresholds.pattern;
    out.detector = kind.is_known ? Detector::kTrend : Detector::kPattern;
    if (reading.range) field.range = reading.range;
    if (!std::isfinite(reading.value)) {
        out.flags = {Flag::kMissing, Flag::kMissing, Flag::kMissing, Flag::kMissing, Flag::kMissing};
        out.state = State::kNormal;
        return out;
    }
    out.flags = flags_of(field, kind, reading.value, time_s);
    if (out.flags.gross_range == Flag::kFail) {
        out.state = State::kFault;
        out.severity = Severity::kHigh;
        return out;
    }
    const TrendVerdict trend = field.trend.add(time_s, reading.value, thresholds.trend, kind.is_level);
    ++field.taken;
    field.before = std::exchange(field.last, reading.value);
    out.expected = trend.expected;
    if (kind.is_known) {
        judge_trend(field, kind, trend, rain, out);
    } else {
        judge_pattern(field, thresholds.pattern, out);
    }
    return out;
}

bool Device::is_raining(const Reading& reading) {
    constexpr double kRainMm = 1.0;  // In the last six hours.
    constexpr double kRemembered = 21'600;
    bool rain = reading.rain_upstream_mm.value_or(0) >= kRainMm;
    const double time_s = static_cast<double>(reading.time) / 1000;
    for (const FieldReading& one : reading.fields) {
        if (!kind_of(one.name).is_rain || !std::isfinite(one.value) || one.value < 0) continue;
        Field& field = fields_[std::string(one.name)];
        const double kept = std::max(0.0, 1 - (time_s - field.rain_time_s) / kRemembered);
        field.rain_mm = field.rain_mm * kept + one.value;
        field.rain_time_s = time_s;
    }
    for (const auto& [name, field] : fields_) {
        rain = rain || (time_s - field.rain_time_s < kRemembered && field.rain_mm >= kRainMm);
    }
    return rain;
}

std::size_t Device::patterns() const noexcept {
    return static_cast<std::size_t>(
        std::ranges::count_if(fields_, [](const auto& one) { return !kind_of(one.first).is_known; }));
}

std::size_t Device::new_patterns(const Reading& reading) const {
    return static_cast<std::size_t>(std::ranges::count_if(reading.fields, [this](const FieldReading& one) {
        return !kind_of(one.name).is_known && !fields_.contains(one.name);
    }));
}

Result<Verdict> Device::add(const Reading& reading, const Thresholds& thresholds) {
    if (readings_ > 0 && reading.time <= last_time_) {
        return fail(ErrorCode::kConflict, "the timestamp is not after the last reading of this device");
    }
    std::size_t fresh = 0;
    for (const FieldReading& one : reading.fields) fresh += fields_.contains(one.name) ? 0 : 1;
    if (fields_.size() + fresh > kFieldsMax) {
        return fail(ErrorCode::kInvalidArgument, "a device has at most 64 different fields");
    }
    const bool rain = is_raining(reading);
    Verdict out;
    out.state = State::kNormal;
    for (const FieldReading& one : reading.fields) {
        const auto [place, is_new] = fields_.try_emplace(std::string(one.name));
        if (is_new || place->second.taken == 0) place->second.last = place->second.before = kNaN;
        FieldVerdict field = judge(place->second, one, static_cast<double>(reading.time) / 1000, rain, thresholds);
        take_worse(out.flags, field.flags);
        out.state = std::max(out.state, field.state);
        out.severity = std::max(out.severity, field.severity);
        if (out.threshold == 0 || field.score / field.threshold > out.score / out.threshold) {
            out.score = field.score;
            out.threshold = field.threshold;
        }
        if (field.state == State::kFault) out.reasons.push_back(field.name + " cannot be so");
        if (field.state == State::kEvent) out.reasons.push_back(field.name + " rises with rain");
        if (field.state == State::kUnsure && field.detector == Detector::kTrend) {
            out.reasons.push_back(field.name + " rises and no rain is known");
        }
        if (field.state == State::kUnsure && field.detector == Detector::kPattern) {
            out.reasons.push_back(field.name + " does not go on as its past does");
        }
        if (field.flags.flat_line == Flag::kFail) out.reasons.push_back(field.name + " has not changed for a day");
        out.fields.push_back(std::move(field));
    }
    last_time_ = reading.time;
    ++readings_;
    const bool fault = out.state == State::kFault;
    out.is_anomaly = fault || out.state == State::kUnsure;
    recent_faults_ = recent_faults_ * 0.95 + (fault ? 1 : 0);
    constexpr double kFaultsForMaintenance = 2.5;  // Three within a few readings: no passing bird.
    out.requires_maintenance = out.flags.flat_line == Flag::kFail || recent_faults_ > kFaultsForMaintenance;
    return out;
}

template <class Self, class Visit>
void Device::visit_field(Self& field, Visit&& visit) {
    Trend::visit_members(field.trend, visit);
    visit(field.last), visit(field.before), visit(field.flat_low), visit(field.flat_high), visit(field.flat_since_s);
    visit(field.rain_mm), visit(field.rain_time_s), visit(field.taken);
}

std::string Device::save() const {
    std::string out;
    Writer writer(out);
    writer(kFormat);
    writer.append(static_cast<std::uint64_t>(last_time_), 8);
    writer.append(readings_, 8);
    writer(recent_faults_);
    writer.append(fields_.size(), 4);
    for (const auto& [name, field] : fields_) {
        writer.text(name);
        visit_field(field, writer);
        writer.append((field.range ? 1U : 0U) | (field.pattern ? 2U : 0U), 4);
        if (field.range) writer(field.range->low), writer(field.range->high);
        if (field.pattern) ContextMemory::visit_members(*field.pattern, writer);
    }
    return out;
}

Result<Device> Device::restore(std::string_view bytes) {
    Reader reader(bytes);
    Device device;
    const std::uint64_t format = reader.take(4);
    bool known = format == 1 || format == kFormat;
    device.last_time_ = static_cast<UnixMillis>(reader.take(8));
    device.readings_ = reader.take(8);
    reader(device.recent_faults_);
    const std::uint64_t count = reader.take(4);
    for (std::uint64_t i = 0; known && reader.sound() && i < std::min<std::uint64_t>(count, kFieldsMax); ++i) {
        Field& field = device.fields_[reader.text()];
        visit_field(field, reader);
        const std::uint64_t parts = format == 1 ? 0 : reader.take(4);
        if ((parts & 1U) != 0) {
            Span range;
            reader(range.low), reader(range.high);
            field.range = range;
            known = range.low < range.high;
        }
        if ((parts & 2U) != 0) {
            ContextMemory::visit_members(field.pattern.emplace(), reader);
            known = known && field.pattern->restored();
        }
    }
    if (!known || !reader.done()) return fail(ErrorCode::kDataLoss, "the state of a device is damaged");
    return device;
}

}  // namespace tidegate::flood
