#include "base/canonical_json.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/json_writer.h"

namespace tidegate::json {
namespace {

constexpr double kExactMax = 9007199254740992.0;  // 2^53: above it a double has no decimals to round.

void append_number(std::string& out, Value value, unsigned decimals) {
    const double number = value.as_double();
    if (decimals == 0 || std::abs(number) >= kExactMax) {
        const std::size_t before = out.size();
        append(out, value);
        // `1.0` is no integer: whoever reads it may tell the two apart.
        const bool looks_whole = out.find_first_of(".e", before) == std::string::npos;
        if (value.kind() == Kind::kDouble && looks_whole) out += ".0";
        return;
    }
    const double scale = std::pow(10.0, decimals);
    const double rounded = std::round(number * scale) / scale;
    // A product beyond the range of doubles says nothing; the number stays as it is. Minus zero is zero.
    append_json_number(out, std::isfinite(rounded) ? rounded + 0.0 : number);
}

struct Member {
    std::string_view name;
    std::size_t order;  // Members of one name keep theirs: a member given twice is not the same as given once.
    Value value;
};

void append_object(std::string& out, Value value, unsigned decimals) {
    std::vector<Member> members;
    members.reserve(value.size());
    value.each_member([&](std::string_view name, Value member) { members.push_back({name, members.size(), member}); });
    std::ranges::sort(members, [](const Member& a, const Member& b) {
        return std::tie(a.name, a.order) < std::tie(b.name, b.order);
    });
    out.push_back('{');
    for (const Member& member : members) {
        if (&member != members.data()) out.push_back(',');
        append_json_string(out, member.name);
        out.push_back(':');
        append_canonical(out, member.value, decimals);
    }
    out.push_back('}');
}

}  // namespace

void append_canonical(std::string& out, Value value, unsigned decimals) {
    TG_ASSERT(decimals <= 15);
    if (value.is_number()) return append_number(out, value, decimals);
    if (value.kind() == Kind::kObject) return append_object(out, value, decimals);
    if (value.kind() != Kind::kArray) return append(out, value);
    out.push_back('[');
    bool first = true;
    value.each([&](Value element) {
        if (!std::exchange(first, false)) out.push_back(',');
        append_canonical(out, element, decimals);
    });
    out.push_back(']');
}

}  // namespace tidegate::json
