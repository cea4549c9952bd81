#include "drift/adwin.h"

#include <algorithm>

#include "base/assert.h"

namespace tidegate::drift {
namespace {

double size_of_row(std::size_t row) {
    return std::ldexp(1.0, static_cast<int>(row));
}

}  // namespace

Adwin::Adwin(AdwinOptions options) : options_(options), rows_(1) {
    TG_ASSERT(options.buckets_a_row >= 1 && options.buckets_a_row < Row{}.buckets.size());
    TG_ASSERT(options.clock > 0 && options.delta > 0 && options.delta < 1);
}

void Adwin::reset() {
    rows_.assign(1, Row{});
    width_ = total_ = variance_ = 0;
    ticks_ = 0;
}

void Adwin::Row::drop_oldest(std::uint32_t count) {
    std::move(buckets.begin() + count, buckets.begin() + used, buckets.begin());
    used -= count;
}

State Adwin::step(double value) {
    insert(value);
    ++ticks_;
    if (ticks_ % options_.clock != 0 || width_ <= options_.grace) return State::kNormal;
    return shrink() ? State::kDrift : State::kNormal;
}

void Adwin::insert(double value) {
    rows_[0].push({value, 0});
    width_ += 1;
    if (width_ > 1) {
        const double distance = value - total_ / (width_ - 1);
        variance_ += (width_ - 1) * distance * distance / width_;
    }
    total_ += value;
    compress();
}

// A full row gives its two oldest buckets, as one, to the row above.
void Adwin::compress() {
    for (std::size_t row = 0; rows_[row].used > options_.buckets_a_row; ++row) {
        if (row + 1 == rows_.size()) rows_.emplace_back();
        Row& low = rows_[row];
        const double n = size_of_row(row);
        const double apart = (low.buckets[0].total - low.buckets[1].total) / n;
        const double between = n * n * apart * apart / (n + n);
        rows_[row + 1].push(
            {low.buckets[0].total + low.buckets[1].total, low.buckets[0].variance + low.buckets[1].variance + between});
        low.drop_oldest(2);
    }
}

bool Adwin::shrink() {
    bool changed = false;
    while (cut_once()) changed = true;
    return changed;
}

// Walks the cuts from the oldest; at the first that separates two different means the oldest bucket goes.
bool Adwin::cut_once() {
    double n0 = 0;
    double n1 = width_;
    double u0 = 0;
    double u1 = total_;
    const std::uint32_t skipped = options_.every_cut ? 0 : 1;
    for (std::size_t row = rows_.size(); row-- > 0;) {
        const double size = size_of_row(row);
        for (std::uint32_t k = 0; k + skipped < rows_[row].used; ++k) {
            const double sum = rows_[row].buckets[k].total;
            n0 += size;
            n1 -= size;
            u0 += sum;
            u1 -= sum;
            if (n1 < options_.subwindow_min) return false;  // It only falls.
            if (n0 >= options_.subwindow_min && differs(n0, n1, u0 / n0 - u1 / n1)) {
                drop_oldest_bucket();
                return true;
            }
        }
    }
    return false;
}

bool Adwin::differs(double n0, double n1, double difference) const {
    const double confidence = std::log(2 * std::log(width_) / options_.delta);
    const double inverse = 1 / (n0 - options_.subwindow_min + 1) + 1 / (n1 - options_.subwindow_min + 1);
    const double variance = variance_ / width_;
    const double bound = std::sqrt(2 * inverse * variance * confidence) + 2.0 / 3.0 * confidence * inverse;
    return std::abs(difference) > bound;
}

void Adwin::drop_oldest_bucket() {
    Row& row = rows_.back();
    const double n = size_of_row(rows_.size() - 1);
    const Bucket oldest = row.buckets[0];
    width_ -= n;
    total_ -= oldest.total;
    const double apart = oldest.total / n - (width_ > 0 ? total_ / width_ : 0);
    variance_ -= oldest.variance + n * width_ * apart * apart / (n + width_);
    variance_ = std::max(variance_, 0.0);  // Rounding only.
    row.drop_oldest(1);
    while (rows_.size() > 1 && rows_.back().used == 0) rows_.pop_back();
}

}  // namespace tidegate::drift
