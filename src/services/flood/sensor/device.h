// Device: one sensor device as the service remembers it between readings, and what it says of a new one.
//
// Guarantee   A reading is judged by what came before it alone. A field that rises while rain falls (on the device or upstream) is a
//             hydrological event and never a fault; one that falls faster than water can is a fault. A field of no known kind may be
//             anything: it is judged by the pattern of its past (ContextMemory), and the rest by its trend.
// Memory      About 500 bytes a field and 22 KiB more for one of no known kind; 64 fields a device at most.
// Threads     One at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "services/flood/sensor/context_memory.h"
#include "services/flood/sensor/qartod.h"
#include "services/flood/sensor/trend.h"

namespace tidegate::flood {

/// What is known of a field by its name.
struct FieldKind {
    std::string_view name;
    bool is_known = false;
    std::optional<Span> possible;  // Outside it a value is impossible.
    bool is_level = false;         // Water: rises fast, falls slowly, rises with rain.
    bool may_rest = false;         // The same value for days is usual: rain.
    bool is_rain = false;
};
/// A name that is not known has no bounds, and may rest: its past tells.
FieldKind kind_of(std::string_view name) noexcept;

struct FieldReading {
    std::string_view name;
    double value = 0;  // NaN: the device sent null.
    std::optional<Span> range =
        std::nullopt;  // What can be measured, where the caller says so; kept for later readings. low < high.
};

/// From which score a reading is an anomaly.
struct Thresholds {
    double trend = 0;    // -log10 of the chance of so large a residual.
    double pattern = 0;  // -log10 of the chance of such a value after those before it.
};

enum class Detector : std::uint8_t { kTrend, kPattern };
std::string_view to_string(Detector detector) noexcept;

struct Reading {
    UnixMillis time = 0;
    std::span<const FieldReading> fields;
    std::optional<double> rain_upstream_mm;  // Of the last hours, where the caller knows it.
};

enum class State : std::uint8_t { kNormal, kLearning, kUnsure, kEvent, kFault };
std::string_view to_string(State state) noexcept;
enum class Severity : std::uint8_t { kNormal, kLow, kMedium, kHigh };
std::string_view to_string(Severity severity) noexcept;

struct FieldFlags {
    Flag gross_range = Flag::kNotEvaluated;
    Flag spike = Flag::kNotEvaluated;  // Of the value before this one, now that its neighbours are known.
    Flag rate_of_change = Flag::kNotEvaluated;
    Flag flat_line = Flag::kNotEvaluated;
    Flag gap = Flag::kNotEvaluated;
};

struct FieldVerdict {
    std::string name;
    double value = 0;
    double expected = 0;  // NaN where nothing was expected yet.
    double score = 0;     // -log10 of the chance, by the detector.
    double threshold = 0;
    Detector detector = Detector::kTrend;
    State state = State::kLearning;
    Severity severity = Severity::kNormal;
    FieldFlags flags;
};

struct Verdict {
    std::vector<FieldVerdict> fields;
    FieldFlags flags;  // The worst of all fields.
    State state = State::kLearning;
    Severity severity = Severity::kNormal;
    double score = 0;  // Of the field that is nearest to its threshold, or farthest over it.
    double threshold = 0;
    bool is_anomaly = false;
    bool requires_maintenance = false;
    std::vector<std::string> reasons;
};

class Device {
  public:
    static constexpr std::size_t kFieldsMax = 64;

    /// kConflict: not after the last reading. kInvalidArgument: more fields than kFieldsMax in all.
    Result<Verdict> add(const Reading& reading, const Thresholds& thresholds);
    /// Fields that are judged by their pattern, of which each takes most of the memory.
    std::size_t patterns() const noexcept;
    /// How many more there are after this reading.
    std::size_t new_patterns(const Reading& reading) const;
    std::uint64_t readings() const noexcept { return readings_; }
    UnixMillis last_time() const noexcept { return last_time_; }

    std::string save() const;
    /// kDataLoss when it is not what save() writes.
    static Result<Device> restore(std::string_view bytes);

  private:
    struct Field {
        Trend trend;
        double last = 0, before = 0;  // The two values before, NaN where there were none.
        double flat_low = 0, flat_high = 0, flat_since_s = 0;
        double rain_mm = 0, rain_time_s = 0;  // Of a rain field: what fell lately.
        std::uint32_t taken = 0;
        std::optional<Span> range;             // As the caller declared it.
        std::optional<ContextMemory> pattern;  // Of a field of no known kind, from its first value on.
    };
    static FieldVerdict judge(Field& field, const FieldReading& reading, double time_s, bool rain,
                              const Thresholds& thresholds);
    static void judge_trend(Field& field, const FieldKind& kind, const TrendVerdict& trend, bool rain,
                            FieldVerdict& out);
    static void judge_pattern(Field& field, double threshold, FieldVerdict& out);
    static FieldFlags flags_of(Field& field, const FieldKind& kind, double value, double time_s);
    bool is_raining(const Reading& reading);

    template <class Self, class Visit>
    static void visit_field(Self& field, Visit&& visit);

    std::map<std::string, Field, std::less<>> fields_;
    UnixMillis last_time_ = 0;
    std::uint64_t readings_ = 0;
    double recent_faults_ = 0;  // Fades by a twentieth a reading.
};

}  // namespace tidegate::flood
