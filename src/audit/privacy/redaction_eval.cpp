#include "audit/privacy/redaction_eval.h"

#include <fmt/format.h>

#include <algorithm>

namespace tidegate::audit::privacy {
namespace {

constexpr std::size_t kMistakesMax = 50;

bool overlaps(const Finding& a, const Finding& b) {
    return a.which == b.which && a.begin < b.end && b.begin < a.end;
}
bool covers(const Finding& found, const Finding& label) {
    return found.which == label.which && found.begin <= label.begin && found.end >= label.end;
}

void note(RedactionScore& score, std::string_view what, const Finding& finding, const LabelledText& one) {
    if (score.mistakes.size() >= kMistakesMax) return;
    score.mistakes.push_back(fmt::format("{} {} {}: `{}` in `{}`", what, to_string(finding.which), finding.kind,
                                         one.text.substr(finding.begin, finding.end - finding.begin), one.text));
}

}  // namespace

RedactionScore score_redaction(const std::vector<LabelledText>& cases) {
    RedactionScore score;
    score.texts = cases.size();
    for (const LabelledText& one : cases) {
        score.bytes += one.text.size();
        const std::vector<Finding> found = find_personal(one.text);
        for (const Finding& finding : found) {
            Share& share = score.precision[static_cast<std::size_t>(finding.which)];
            const bool right =
                std::ranges::any_of(one.labels, [&](const Finding& label) { return overlaps(finding, label); });
            ++share.of;
            share.right += right ? 1 : 0;
            if (!right) note(score, "wrong", finding, one);
        }
        for (const Finding& label : one.labels) {
            Share& share = score.recall[static_cast<std::size_t>(label.which)];
            Share& by_kind = score.recall_by_kind[label.kind];
            const bool right =
                std::ranges::any_of(found, [&](const Finding& finding) { return covers(finding, label); });
            ++share.of;
            ++by_kind.of;
            share.right += right ? 1 : 0;
            by_kind.right += right ? 1 : 0;
            if (!right) note(score, "missed", label, one);
        }
    }
    return score;
}

}  // namespace tidegate::audit::privacy
