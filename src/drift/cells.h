// Cells: the fixed bins into which a feature's values are counted, for reference and window alike.
//
// Guarantee   Every value falls into exactly one cell: below the reference's range, one of its deciles, above, or missing; a
//             category into its own, `other` or missing. Counts of the same cells merge by addition, over threads, nodes and
//             minutes, and no value is kept.
// Memory      8 bytes a cell and count; the words of at most `top` categories.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tidegate::drift {

/// How often each cell was hit.
class CellCounts {
  public:
    CellCounts() = default;
    explicit CellCounts(std::size_t cells) : counts_(cells) {}
    void add(std::size_t cell, std::uint64_t count = 1) noexcept { counts_[cell] += count; }
    /// Of the same cells.
    void merge(const CellCounts& other);
    std::uint64_t total() const noexcept;
    std::uint64_t operator[](std::size_t cell) const noexcept { return counts_[cell]; }
    std::span<const std::uint64_t> all() const noexcept { return counts_; }

  private:
    std::vector<std::uint64_t> counts_;
};

/// Quantile bins of a sample. Cell 0 is below its range, the last but one above, the last missing (NaN).
class NumericCells {
  public:
    NumericCells() = default;
    /// At most `inner` cells of about equal counts; fewer when values repeat. `sorted` is finite and ascending; it may be empty:
    /// then only `missing` is ever hit by a NaN and `above` by a number.
    explicit NumericCells(std::span<const double> sorted, std::size_t inner = 10);
    std::size_t size() const noexcept { return edges_.size() + 3; }
    std::size_t below() const noexcept { return 0; }
    std::size_t above() const noexcept { return edges_.size() + 1; }
    std::size_t missing() const noexcept { return edges_.size() + 2; }
    /// Counting edges without a branch is faster than a search up to some 30 edges (2 to 3 ns for deciles).
    std::size_t cell_of(double value) const noexcept {
        if (std::isnan(value)) return missing();
        if (value < lowest_) return below();
        std::size_t cell = 1;
        for (const double edge : edges_) cell += value > edge ? 1 : 0;
        return cell;
    }
    /// Upper edge of each inner cell, inclusive.
    std::span<const double> edges() const noexcept { return edges_; }
    double lowest() const noexcept { return lowest_; }
    /// Counts as the tests take them: what lies out of range joins the outermost inner cell, where a new value of the same
    /// distribution falls too; missing stays a cell of its own.
    std::vector<std::uint64_t> folded(const CellCounts& counts) const;

  private:
    double lowest_ = 0;
    std::vector<double> edges_;
};

/// The most frequent categories, then `other`, then missing (an empty word).
class CategoryCells {
  public:
    CategoryCells() = default;
    /// The `top` most frequent of `seen` that make at least a hundredth of it; equal frequencies by the word. A rare word that is
    /// chosen because it happened to be frequent in the reference would look like a change in every later window.
    explicit CategoryCells(const std::map<std::string, std::uint64_t>& seen, std::size_t top = 20);
    std::size_t size() const noexcept { return words_.size() + 2; }
    std::size_t other() const noexcept { return words_.size(); }
    std::size_t missing() const noexcept { return words_.size() + 1; }
    std::size_t cell_of(std::string_view word) const;
    /// Of a cell: the word, `other` or `missing`.
    std::string_view name(std::size_t cell) const noexcept;

  private:
    std::vector<std::string> words_;
    std::map<std::string, std::size_t, std::less<>> index_;
};

}  // namespace tidegate::drift
