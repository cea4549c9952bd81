// MapReader: takes the words of one map out of the tree and reports what nobody took.
//
// Use         Ask for each word the map may have, then finish(). A word that was asked for and is absent leaves the default.
// Guarantee   Every member is either taken or a fault with its line and the nearest word that would be.
// Memory      Faults are bounded by kFaultsMax.
// Threads     One.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/config/tree.h"
#include "model/tensor.h"

namespace tidegate::model::config {

/// Enough to mend a file with, few enough to read.
inline constexpr std::size_t kFaultsMax = 20;

class Faults {
  public:
    explicit Faults(std::string_view where) : where_(where) {}
    void add(int line, std::string_view what);
    bool empty() const noexcept { return lines_.empty(); }
    /// All of them, a line each.
    Error error() const;

  private:
    std::string where_;
    std::vector<std::string> lines_;
    bool more_ = false;
};

class MapReader {
  public:
    /// `path` stands before the names in messages: `input.reshape`; empty at the top. `node` and `faults` outlive the reader. A node
    /// that is no map is a fault, and every word absent.
    MapReader(const Node& node, std::string path, Faults& faults);

    bool has(std::string_view name) const noexcept;
    int line() const noexcept { return node_.line; }
    Faults& faults() noexcept { return faults_; }
    std::string full(std::string_view name) const;
    void fault(std::string_view name, std::string_view what);

    /// The one value of a word; null when it is absent, a fault when it stands there twice.
    const Node* one(std::string_view name);
    /// All values of a word that may repeat: of a list its items, of several members each.
    std::vector<const Node*> many(std::string_view name);

    /// Each true when the word was there and good.
    bool text(std::string_view name, std::string& into);
    bool flag(std::string_view name, bool& into);
    bool number(std::string_view name, double& into);
    template <std::integral T>
        requires(!std::same_as<T, bool>)
    bool integer(std::string_view name, T& into, T min, T max) {
        const Node* node = one(name);
        if (node == nullptr) return false;
        const auto value = integer_of(*node, static_cast<std::int64_t>(min), clamp(max));
        if (!value) return refuse_integer(name, static_cast<std::int64_t>(min), clamp(max)), false;
        into = static_cast<T>(*value);
        return true;
    }
    /// Of a list of words, or of words that repeat.
    std::vector<std::string> texts(std::string_view name);
    std::vector<std::int64_t> integers(std::string_view name, std::int64_t min, std::int64_t max);
    /// The place of the word in `words`; nullopt when absent or (a fault that lists them) none of them.
    std::optional<std::size_t> word(std::string_view name, const std::vector<std::string_view>& words);
    /// kDimensionsMax of -1 or at least 1.
    std::optional<Shape> shape(std::string_view name);
    /// `TYPE_FP32`, or (not in protobuf text, where it does not exist) `FP32`.
    std::optional<DataType> type(std::string_view name);

    /// A word of Triton's that is not supported here: a fault unless it is absent or says nothing (an empty map, list or text, 0,
    /// false, or `neutral`).
    void unsupported(std::string_view name, std::string_view neutral = {});
    /// A fault for every member that was not asked for. `hint` follows an unknown word.
    void finish(std::string_view hint = {});

    static std::optional<std::int64_t> integer_of(const Node& node, std::int64_t min, std::int64_t max);
    static std::optional<std::string_view> text_of(const Node& node);
    static std::optional<double> number_of(const Node& node);

  private:
    template <std::integral T>
    static std::int64_t clamp(T max) {
        return std::in_range<std::int64_t>(max) ? static_cast<std::int64_t>(max)
                                                : std::numeric_limits<std::int64_t>::max();
    }
    void refuse_integer(std::string_view name, std::int64_t min, std::int64_t max);

    const Node& node_;
    std::string path_;
    Faults& faults_;
    std::vector<std::string> asked_;
};

}  // namespace tidegate::model::config
