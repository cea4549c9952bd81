#include "drift/streams.h"

#include <array>
#include <cmath>
#include <numbers>

#include "base/assert.h"
#include "drift/dice.h"

namespace tidegate::drift {
namespace {

struct Family {
    const char* name;
    std::size_t features;
};

Family family_of(Concept kind) {
    switch (kind) {
        case Concept::kSine1:
            return {"Sine1", 2};
        case Concept::kMixed:
            return {"Mixed", 4};
        case Concept::kCircles:
            return {"Circles", 2};
        case Concept::kSea:
            return {"SEA", 3};
    }
    return {"", 0};
}

bool inside_circle(const std::array<double, 4>& x, std::size_t phase) {
    struct Circle {
        double x, y, radius;
    };
    constexpr std::array<Circle, 4> kCircles{{{0.2, 0.5, 0.15}, {0.4, 0.5, 0.2}, {0.6, 0.5, 0.25}, {0.8, 0.5, 0.3}}};
    const Circle& circle = kCircles[phase % kCircles.size()];
    return std::hypot(x[0] - circle.x, x[1] - circle.y) <= circle.radius;
}

// The class by the concept of a phase: phase 0 until the first change, 1 until the second.
bool classify(Concept kind, const std::array<double, 4>& x, std::size_t phase) {
    switch (kind) {
        case Concept::kSine1:
            return (x[1] <= std::sin(x[0])) == (phase % 2 == 0);
        case Concept::kMixed: {
            const bool under = x[3] < 0.5 + 0.3 * std::sin(3 * std::numbers::pi * x[2]);
            return (x[0] + x[1] + (under ? 1 : 0) >= 2) == (phase % 2 == 0);
        }
        case Concept::kCircles:
            return inside_circle(x, phase);
        case Concept::kSea: {
            constexpr std::array<double, 4> kLimits{0.8, 0.9, 0.7, 0.95};
            return x[0] + x[1] <= kLimits[phase % kLimits.size()];
        }
    }
    return false;
}

// SEA is drawn evenly over its cube; of the others each class is as likely as the other, as in the public streams.
std::array<double, 4> draw(Concept kind, std::size_t phase, Dice& dice) {
    const bool wanted = kind != Concept::kSea && dice.chance(0.5);
    for (;;) {
        std::array<double, 4> x{dice.uniform(), dice.uniform(), dice.uniform(), dice.uniform()};
        if (kind == Concept::kMixed) {
            x[0] = x[0] < 0.5 ? 0 : 1;
            x[1] = x[1] < 0.5 ? 0 : 1;
        }
        if (kind == Concept::kSea || classify(kind, x, phase) == wanted) return x;
    }
}

}  // namespace

LabelledStream make_stream(const StreamOptions& options) {
    TG_ASSERT(options.every > 0);
    const Family family = family_of(options.concept_kind);
    LabelledStream stream;
    stream.name = std::string(family.name) + " seed " + std::to_string(options.seed);
    stream.family = family.name;
    stream.features = family.features;
    stream.acceptance = options.acceptance;
    for (std::size_t at = options.every; at < options.rows; at += options.every) stream.changes.push_back(at);
    stream.cells.reserve(options.rows * family.features);
    stream.labels.reserve(options.rows);
    Dice dice(options.seed);
    for (std::size_t i = 0; i < options.rows; ++i) {
        std::size_t phase = i / options.every;
        const double since = static_cast<double>(i % options.every);
        const double old = 1 / (1 + std::exp(4 * (since - options.width / 2) / options.width));
        if (phase > 0 && dice.chance(old)) --phase;
        const std::array<double, 4> x = draw(options.concept_kind, phase, dice);
        stream.cells.insert(stream.cells.end(), x.begin(), x.begin() + static_cast<std::ptrdiff_t>(family.features));
        stream.labels.push_back(classify(options.concept_kind, x, phase) != dice.chance(options.noise));
    }
    return stream;
}

}  // namespace tidegate::drift
