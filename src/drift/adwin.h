// Adwin: a window that grows while its mean holds, and drops its old part when two halves differ.
//
// Guarantee   The chance that a window without change is cut is at most delta a check (under the normal approximation of
//             the bound's second form).
// Algorithm   ADWIN2 (Bifet and Gavalda, "Learning from time-changing data with adaptive windowing", SDM 2007):
//             exponential histogram, rows of at most `buckets_a_row` buckets of 2^row values; every `clock` values each
//             cut between buckets is tested.
// Memory      (buckets_a_row + 1) x 16 bytes a row, a row for each doubling of the window: 3 KB for a million values.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "drift/detector.h"

namespace tidegate::drift {

struct AdwinOptions {
    double delta = 0.002;
    std::uint32_t clock = 32;
    std::uint32_t buckets_a_row = 5;  // 1 to 15.
    double subwindow_min = 5;
    double grace = 10;
    /// False: the last bucket of each row is never the place of a cut, as older libraries had it.
    bool every_cut = true;
};

class Adwin final : public Detector {
  public:
    explicit Adwin(AdwinOptions options = {});
    void reset() override;
    std::string_view name() const noexcept override { return "adwin"; }
    /// Of the values that are still in the window.
    double mean() const noexcept { return width_ > 0 ? total_ / width_ : 0; }
    double width() const noexcept { return width_; }

  protected:
    State step(double value) override;

  private:
    struct Bucket {
        double total = 0;
        double variance = 0;  // Sum of squared distances to the bucket's mean.
    };
    struct Row {
        std::array<Bucket, 16> buckets{};
        std::uint32_t used = 0;
        void push(Bucket bucket) { buckets[used++] = bucket; }
        void drop_oldest(std::uint32_t count);
    };
    void insert(double value);
    void compress();
    bool shrink();
    bool cut_once();
    bool differs(double n0, double n1, double difference) const;
    void drop_oldest_bucket();

    AdwinOptions options_;
    std::vector<Row> rows_;
    double width_ = 0;
    double total_ = 0;
    double variance_ = 0;  // Sum of squared distances to the window's mean.
    std::uint64_t ticks_ = 0;
};

}  // namespace tidegate::drift
