// A stream as bytes and back, so that a restart goes on where it was.
#include <cmath>

#include "drift/stream.h"

namespace tidegate::drift {
namespace {

constexpr std::uint32_t kReferenceMark = 0x31524454;  // "TDR1"
constexpr std::uint32_t kStateMark = 0x31534454;      // "TDS1"

void put_values(ByteWriter& writer, std::span<const double> values) {
    writer.put(static_cast<std::uint64_t>(values.size()));
    for (const double value : values) writer.put(value);
}

std::vector<double> get_values(ByteReader& reader) {
    std::vector<double> values(reader.get_count(sizeof(double)));
    for (double& value : values) value = reader.get<double>();
    return values;
}

template <class Map>
void put_words(ByteWriter& writer, const Map& seen) {
    writer.put(static_cast<std::uint64_t>(seen.size()));
    for (const auto& [word, count] : seen) {
        writer.put_text(word);
        writer.put(count);
    }
}

template <class Map>
void get_words(ByteReader& reader, Map& seen) {
    seen.clear();
    const std::size_t count = reader.get_count(sizeof(std::uint32_t) + sizeof(std::uint64_t));
    for (std::size_t i = 0; i < count; ++i) {
        std::string word = reader.get_text();
        seen[std::move(word)] = reader.get<std::uint64_t>();
    }
}

void put_baseline(ByteWriter& writer, const Baseline& baseline) {
    writer.put(baseline.number);
    writer.put(baseline.from);
    writer.put(baseline.to);
    writer.put(static_cast<std::uint64_t>(baseline.n));
    writer.put_text(baseline.reason);
    writer.put(static_cast<std::uint64_t>(baseline.features.size()));
    for (const FeatureSummary& one : baseline.features) {
        writer.put_text(one.feature);
        writer.put(one.n);
        writer.put(one.mean);
        writer.put(one.deviation);
    }
}

Baseline get_baseline(ByteReader& reader) {
    Baseline baseline;
    baseline.number = reader.get<std::uint64_t>();
    baseline.from = reader.get<UnixMillis>();
    baseline.to = reader.get<UnixMillis>();
    baseline.n = reader.get<std::uint64_t>();
    baseline.reason = reader.get_text();
    baseline.features.resize(reader.get_count(sizeof(std::uint32_t)));
    for (FeatureSummary& one : baseline.features) {
        one.feature = reader.get_text();
        one.n = reader.get<std::uint64_t>();
        one.mean = reader.get<double>();
        one.deviation = reader.get<double>();
    }
    return baseline;
}

void put_result(ByteWriter& writer, const TestResult& result) {
    writer.put(static_cast<std::uint8_t>(result.kind));
    for (const double number : {result.statistic, result.effect, result.effect_min, result.p, result.threshold}) {
        writer.put(number);
    }
    writer.put(static_cast<std::uint64_t>(result.n));
    writer.put(static_cast<std::uint64_t>(result.m));
    writer.put(static_cast<std::uint8_t>(result.enough));
    writer.put(static_cast<std::uint8_t>(result.note == kConstant));
}

TestResult get_result(ByteReader& reader) {
    TestResult result;
    result.kind = static_cast<TestKind>(reader.get<std::uint8_t>() % 5);
    for (double* const number : {&result.statistic, &result.effect, &result.effect_min, &result.p, &result.threshold}) {
        *number = reader.get<double>();
    }
    result.n = reader.get<std::uint64_t>();
    result.m = reader.get<std::uint64_t>();
    result.enough = reader.get_bool();
    const bool constant = reader.get_bool();
    if (!result.enough) result.note = constant ? kConstant : kFewValues;
    return result;
}

void put_look(ByteWriter& writer, const Look& look) {
    writer.put(look.number);
    writer.put(look.at);
    writer.put(static_cast<std::uint64_t>(look.n));
    writer.put(look.level);
    writer.put(static_cast<std::uint64_t>(look.features.size()));
    for (const FeatureLook& one : look.features) {
        writer.put_text(one.feature);
        for (const double number : {one.p, one.p_adjusted, one.contribution}) writer.put(number);
        writer.put(static_cast<std::uint8_t>(one.drifted));
        writer.put(static_cast<std::uint64_t>(one.results.size()));
        for (const TestResult& result : one.results) put_result(writer, result);
        writer.put(static_cast<std::uint64_t>(one.moved.size()));
        for (const MovedCell& cell : one.moved) {
            writer.put_text(cell.cell);
            for (const double number : {cell.before, cell.now, cell.contribution}) writer.put(number);
        }
    }
}

FeatureLook get_feature(ByteReader& reader) {
    FeatureLook one;
    one.feature = reader.get_text();
    for (double* const number : {&one.p, &one.p_adjusted, &one.contribution}) *number = reader.get<double>();
    one.drifted = reader.get_bool();
    one.results.resize(reader.get_count(sizeof(double)));
    for (TestResult& result : one.results) result = get_result(reader);
    one.moved.resize(reader.get_count(sizeof(double)));
    for (MovedCell& cell : one.moved) {
        cell.cell = reader.get_text();
        for (double* const number : {&cell.before, &cell.now, &cell.contribution}) *number = reader.get<double>();
    }
    return one;
}

Look get_look(ByteReader& reader) {
    Look look;
    look.number = reader.get<std::uint64_t>();
    look.at = reader.get<UnixMillis>();
    look.n = reader.get<std::uint64_t>();
    look.level = reader.get<double>();
    look.features.resize(reader.get_count(sizeof(std::uint32_t)));
    for (FeatureLook& one : look.features) one = get_feature(reader);
    return look;
}

}  // namespace

void Stream::save_reference(std::string& out) const {
    ByteWriter writer(out);
    writer.put(kReferenceMark);
    writer.put(static_cast<std::uint8_t>(watching_));
    writer.put(static_cast<std::uint64_t>(baselines_.size()));
    for (const Baseline& baseline : baselines_) put_baseline(writer, baseline);
    if (!watching_) return;
    for (const Numeric& numeric : numerics_) {
        const NumericReference& reference = numeric.tests->reference();
        put_values(writer, reference.sample);
        writer.put(reference.counts[reference.cells.missing()]);
    }
    for (const Category& category : categories_) {
        put_words(writer, category.seen);
        writer.put(category.unnamed);
    }
}

void Stream::save_state(std::string& out) const {
    ByteWriter writer(out);
    writer.put(kStateMark);
    // Other features than these: other columns.
    writer.put(static_cast<std::uint64_t>(numerics_.size()));
    for (const Numeric& numeric : numerics_) writer.put_text(numeric.feature);
    writer.put(static_cast<std::uint8_t>(watching_));
    writer.put(decisions_);
    for (const std::size_t count : {collected_, fresh_, head_}) writer.put(static_cast<std::uint64_t>(count));
    for (const UnixMillis time : {began_, looked_at_, last_at_}) writer.put(time);
    writer.put(findings_);
    writer.put(expected_run_);
    writer.put_text(reason_);
    for (const Numeric& numeric : numerics_) put_values(writer, numeric.values);
    for (const Category& category : categories_) {
        writer.put_text({reinterpret_cast<const char*>(category.cells.data()), category.cells.size()});
        if (watching_) continue;
        put_words(writer, category.seen);
        writer.put(category.unnamed);
    }
    errors_.save(writer);
    latencies_.save(writer);
    put_look(writer, look_);
}

Result<void> Stream::load_reference(ByteReader& reader) {
    const auto damaged = [] { return fail(ErrorCode::kDataLoss, "the baseline of a drift stream is damaged"); };
    if (reader.get<std::uint32_t>() != kReferenceMark) return damaged();
    watching_ = reader.get_bool();
    baselines_.resize(reader.get_count(sizeof(std::uint64_t)));
    for (Baseline& baseline : baselines_) baseline = get_baseline(reader);
    if (watching_) {
        for (Numeric& numeric : numerics_) {
            numeric.values = get_values(reader);
            const auto missing = reader.get<std::uint64_t>();
            if (missing > options_->baseline) return damaged();
            numeric.values.insert(numeric.values.end(), missing, kMissing);
        }
        for (Category& category : categories_) {
            get_words(reader, category.seen);
            category.unnamed = reader.get<std::uint64_t>();
        }
        make_tests();
    }
    if (!reader.at_end()) return damaged();
    return {};
}

Result<void> Stream::load_window(ByteReader& reader) {
    const auto damaged = [] { return fail(ErrorCode::kDataLoss, "the state of a drift stream is damaged"); };
    if (reader.get_bool() != watching_) return damaged();
    decisions_ = reader.get<std::uint64_t>();
    for (std::size_t* const count : {&collected_, &fresh_, &head_}) *count = reader.get<std::uint64_t>();
    for (UnixMillis* const time : {&began_, &looked_at_, &last_at_}) *time = reader.get<UnixMillis>();
    findings_ = reader.get<std::uint64_t>();
    expected_run_ = reader.get<double>();
    reason_ = reader.get_text();
    for (Numeric& numeric : numerics_) numeric.values = get_values(reader);
    for (Category& category : categories_) {
        const std::string cells = reader.get_text();
        category.cells.assign(cells.begin(), cells.end());
        if (!watching_) {
            get_words(reader, category.seen);
            category.unnamed = reader.get<std::uint64_t>();
            continue;
        }
        const std::size_t known = category.tests->reference().cells.size();
        for (const std::uint8_t cell : category.cells) {
            if (cell >= known && cell != kLeftOut) return damaged();
        }
    }
    const bool detectors = errors_.load(reader) && latencies_.load(reader);
    look_ = get_look(reader);
    if (!detectors || !reader.at_end()) return damaged();
    return {};
}

Result<void> Stream::load(std::string_view reference, std::string_view state) {
    const auto unlike = [] { return fail(ErrorCode::kDataLoss, "a drift stream was saved with other settings"); };
    ByteReader of_reference(reference);
    ByteReader reader(state);
    if (reader.get<std::uint32_t>() != kStateMark) {
        return fail(ErrorCode::kDataLoss, "the state of a drift stream is damaged");
    }
    if (reader.get_count(sizeof(std::uint32_t)) != numerics_.size()) return unlike();
    for (const Numeric& numeric : numerics_) {
        if (reader.get_text() != numeric.feature) return unlike();
    }
    TG_CHECK(load_reference(of_reference));
    TG_CHECK(load_window(reader));
    // A window or baseline longer than the settings now allow could not go on.
    const std::size_t held = watching_ ? options_->window : options_->baseline;
    for (const Numeric& numeric : numerics_) {
        if (numeric.values.size() > held) return unlike();
    }
    for (const Category& category : categories_) {
        if (watching_ && category.cells.size() != std::min(fresh_, held)) return unlike();
    }
    if (!watching_ && collected_ >= options_->baseline) return unlike();
    if (watching_ && head_ >= options_->window) return unlike();
    return {};
}

}  // namespace tidegate::drift
