// Source: what rules can be about: the numbers of /metrics and a few views that have no metric of their own.
//
// Guarantee   Measured numbers only: what was not measured has no series.
// Threads     add_view() and describe() before the first read(); read() on one thread at a time, which may wait for locks.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "observe/metrics.h"

namespace tidegate::alerts {

/// In the order of their names.
using Labels = std::map<std::string, std::string, std::less<>>;

struct Series {
    Labels labels;
    double value = 0;
};

class Source {
  public:
    /// `registry` outlives it.
    explicit Source(const observe::Registry& registry) : registry_(registry) {}

    /// `read` gives the series of now; what it captures outlives the source.
    void add_view(std::string name, std::vector<std::string> labels, std::function<std::vector<Series>()> read);
    struct Described {
        std::string name;
        std::vector<std::string> labels;
        bool grows = false;  // A counter, or a part of a histogram.
    };
    /// All that a rule may name.
    std::vector<Described> describe() const;
    std::vector<Series> read(std::string_view name) const;

  private:
    struct View {
        std::vector<std::string> labels;
        std::function<std::vector<Series>()> read;
    };
    const observe::Registry& registry_;
    std::map<std::string, View, std::less<>> views_;
};

}  // namespace tidegate::alerts
