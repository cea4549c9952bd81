#include "pipeline/gate.h"

#include <optional>
#include <string>

namespace tidegate::pipeline {
namespace {

constexpr std::array<std::string_view, kGuards> kNames{"overload", "identity", "limit", "spend"};

}  // namespace

std::string_view to_string(Guard guard) noexcept {
    return kNames[static_cast<std::size_t>(guard)];
}

Result<Shadow> parse_shadow(const std::vector<std::string>& names) {
    Shadow shadow{};
    for (const std::string& name : names) {
        std::size_t i = 0;
        while (i < kGuards && kNames[i] != name) ++i;
        if (i == kGuards) {
            return fail(
                ErrorCode::kInvalidArgument,
                "pipeline.shadow: " + name + " is no stage that refuses; those are overload, identity, limit, spend");
        }
        shadow[i] = true;
    }
    return shadow;
}

void declare_metrics(observe::Registry& registry, const GuardCounts& counts) {
    registry.callback(
        {.name = "tidegate_stage_decisions_total",
         .help = "Requests that a stage let pass, refused, or would have refused were it not in shadow.",
         .labels = {"stage", "decision"},
         .when_it_rises = "`refused`: callers meet a limit, or attack; `shadowed`: what a limit would cost."},
        observe::MetricType::kCounter, [&counts](observe::Samples& out) {
            for (std::size_t i = 0; i < kGuards; ++i) {
                out.add({kNames[i], "passed"}, static_cast<double>(counts[i].passed.value()));
                out.add({kNames[i], "refused"}, static_cast<double>(counts[i].refused.value()));
                out.add({kNames[i], "shadowed"}, static_cast<double>(counts[i].shadowed.value()));
            }
        });
}

}  // namespace tidegate::pipeline
