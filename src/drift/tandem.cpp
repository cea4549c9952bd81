#include "drift/tandem.h"

#include <algorithm>
#include <cmath>

#include "base/assert.h"

namespace tidegate::drift {
namespace {

// x log(x / y), 0 at x = 0.
double part(double x, double y) {
    return x > 0 ? x * std::log(x / y) : 0;
}

// Kullback-Leibler divergence of two coins; 0 < q < 1.
double divergence(double p, double q) {
    return part(p, q) + part(1 - p, 1 - q);
}

// The part of the way to 1 (or to 0) that the mean is bet to have gone.
constexpr std::array<double, 2> kSteps{0.5, 0.1};

}  // namespace

Tandem::Tandem(TandemOptions options)
    : options_(options), thresholds_(thresholds_for(options.expected_run, options.direction)), rows_(1) {
    TG_ASSERT(options.high > options.low && options.clock > 0 && options.expected_run >= 1000);
}

// The sum of fair bets passes a level after that many values on average, or later, whatever the coin. The constants of the
// second stage are as low as the budget bears: measured over 150 false alarms for coins of 2 to 98 %, the mean run is 1.06
// (a coin of 30 %) to 4.2 times the stated one (2 %: rarer events make larger overshoots).
Tandem::Thresholds Tandem::thresholds_for(double expected_run, Direction direction) noexcept {
    const double run = direction == Direction::kBoth ? 2 * expected_run : expected_run;
    return {run, std::log(run) - 3, std::log(run) - 0.5};
}

void Tandem::reset() {
    rows_.assign(1, Row{});
    n_ = total_ = 0;
    sums_ = {};
    since_look_ = 0;
    drifted_ = false;
}

void Tandem::set_expected_run(double expected_run) noexcept {
    TG_ASSERT(expected_run >= 1000);
    options_.expected_run = expected_run;
    thresholds_ = thresholds_for(expected_run, options_.direction);
}

void Tandem::save(ByteWriter& writer) const {
    writer.put(options_.expected_run);
    writer.put(static_cast<std::uint64_t>(rows_.size()));
    for (const Row& row : rows_) {
        writer.put(row.used);
        for (std::uint32_t i = 0; i < row.used; ++i) writer.put(row.sums[i]);
    }
    for (const double number : {n_, total_, sums_[0], sums_[1], sums_[2], sums_[3], before_, after_, age_, n0_}) {
        writer.put(number);
    }
    writer.put(since_look_);
    writer.put(static_cast<std::uint8_t>(drifted_));
}

bool Tandem::load(ByteReader& reader) {
    const auto expected_run = reader.get<double>();
    const std::size_t rows = reader.get_count(sizeof(std::uint32_t));
    // A row doubles the window: 64 of them are more values than there will ever be.
    bool good = rows >= 1 && rows <= 64 && expected_run >= 1000;
    rows_.assign(good ? rows : 1, Row{});
    for (Row& row : rows_) {
        row.used = reader.get<std::uint32_t>();
        good = good && row.used < kRowBuckets;
        if (!good) break;
        for (std::uint32_t i = 0; i < row.used; ++i) row.sums[i] = reader.get<double>();
    }
    for (double* const number :
         {&n_, &total_, &sums_[0], &sums_[1], &sums_[2], &sums_[3], &before_, &after_, &age_, &n0_}) {
        *number = reader.get<double>();
    }
    since_look_ = reader.get<std::uint32_t>();
    drifted_ = reader.get_bool();
    if (!good || !reader.ok()) {
        reset();
        return false;
    }
    set_expected_run(expected_run);
    return true;
}

void Tandem::insert(double value) {
    rows_[0].sums[rows_[0].used++] = value;
    n_ += 1;
    total_ += value;
    for (std::size_t row = 0; rows_[row].used == kRowBuckets; ++row) {
        if (row + 1 == rows_.size()) rows_.emplace_back();
        Row& low = rows_[row];
        Row& high = rows_[row + 1];
        high.sums[high.used++] = low.sums[0] + low.sums[1];
        std::move(low.sums.begin() + 2, low.sums.end(), low.sums.begin());
        low.used -= 2;
    }
}

// Each sum is a fair game's winnings while the mean is `before`: started anew with every value, so that it grows by one.
void Tandem::bet(double value) {
    const double before = (total_ + 1) / (n_ + 2);  // Of the values before this one; never 0 or 1.
    const double high = value / before;
    const double low = (1 - value) / (1 - before);
    for (std::size_t i = 0; i < kSteps.size(); ++i) {
        const double up = before + (1 - before) * kSteps[i];
        sums_[i] = (sums_[i] + 1) * (high * up + low * (1 - up));
        const double down = before * (1 - kSteps[i]);
        sums_[i + 2] = (sums_[i + 2] + 1) * (high * down + low * (1 - down));
    }
}

Tandem::Cut Tandem::likeliest_cut() const {
    Cut best;
    const double mean = total_ / n_;
    const double spread = mean * (1 - mean);
    if (spread <= 0) return best;
    double n0 = 0;
    double u0 = 0;
    const double floor = thresholds_.confirm / 2;  // Of a warning.
    for (std::size_t row = rows_.size(); row-- > 0;) {
        const double size = std::ldexp(1.0, static_cast<int>(row));
        for (std::uint32_t k = 0; k < rows_[row].used; ++k) {
            n0 += size;
            u0 += rows_[row].sums[k];
            const double n1 = n_ - n0;
            if (n1 < 1) return best;
            // n0 n1 / n (mean1 - mean0)^2 / spread, without a division before it is needed.
            const double off = u0 - n0 * mean;
            if (off * off * n_ <= std::max(best.ratio, floor) * spread * n0 * n1) continue;
            const double mean0 = u0 / n0;
            const double mean1 = std::clamp((total_ - u0) / n1, 0.0, 1.0);
            const double ratio = n0 * divergence(mean0, mean) + n1 * divergence(mean1, mean);
            if (ratio > best.ratio) best = {row, k, ratio, n0, n1, mean0, mean1};
        }
    }
    return best;
}

void Tandem::drop_before(const Cut& cut) {
    rows_.resize(cut.row + 1);
    Row& row = rows_.back();
    std::move(row.sums.begin() + cut.bucket + 1, row.sums.begin() + row.used, row.sums.begin());
    row.used -= cut.bucket + 1;
    n_ = cut.n1;
    total_ = cut.n1 * cut.mean1;
    sums_ = {};
}

State Tandem::step(double value) {
    if (drifted_) reset();
    const double scaled = std::clamp((value - options_.low) / (options_.high - options_.low), 0.0, 1.0);
    bet(scaled);
    insert(scaled);
    const double rise = options_.direction == Direction::kFall ? 0 : (sums_[0] + sums_[1]) / 2;
    const double fall = options_.direction == Direction::kRise ? 0 : (sums_[2] + sums_[3]) / 2;
    const bool candidate = std::max(rise, fall) > thresholds_.bets;
    if (!candidate && ++since_look_ < options_.clock) return State::kNormal;
    since_look_ = 0;
    return look(candidate);
}

State Tandem::look(bool candidate) {
    const Cut cut = likeliest_cut();
    const bool rose = cut.mean1 > cut.mean0;
    const double needed = candidate ? thresholds_.confirm : thresholds_.alone;
    if (options_.direction != Direction::kBoth && rose != (options_.direction == Direction::kRise)) {
        // A change that nobody asked for: what came before it is no reference any more.
        if (cut.ratio > thresholds_.alone) drop_before(cut);
        return State::kNormal;
    }
    if (cut.ratio < needed) return cut.ratio < thresholds_.alone / 2 ? State::kNormal : State::kWarning;
    drifted_ = true;
    before_ = cut.mean0;
    after_ = cut.mean1;
    age_ = cut.n1;
    n0_ = cut.n0;
    return State::kDrift;
}

}  // namespace tidegate::drift
