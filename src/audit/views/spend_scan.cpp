#include "audit/views/spend_scan.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "audit/segments/record.h"

namespace tidegate::audit {
namespace {

struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
};
using SumsByName = std::unordered_map<std::string, std::int64_t, TextHash, std::equal_to<>>;

void add(SumsByName& sums, std::string_view name, std::int64_t milli) {
    if (name.empty()) return;
    const auto found = sums.find(name);
    if (found != sums.end()) {
        found->second += milli;
    } else {
        sums.emplace(name, milli);
    }
}

std::vector<Spent> by_name(const SumsByName& sums) {
    std::vector<Spent> out;
    out.reserve(sums.size());
    for (const auto& [name, milli] : sums) out.push_back({name, Points{milli}});
    std::ranges::sort(out, {}, &Spent::name);
    return out;
}

}  // namespace

Result<SpentSince> scan_spent(const LogReader& reader, UnixMillis since) {
    SpentSince out;
    SumsByName actors;
    SumsByName tenants;
    std::optional<Error> error;
    segments::ZoneFilter filter;
    filter.from = since;
    TG_CHECK(reader.scan_where(filter, [&](std::uint64_t, segments::Bytes record) {
        const auto view = segments::decode(record);
        if (!view) {
            error = view.error();
            return false;
        }
        if (view->spend_milli <= 0 || view->kind != RecordKind::kDecision || unix_ms_of(view->id) < since) return true;
        ++out.decisions;
        add(actors, view->actor, view->spend_milli);
        add(tenants, view->tenant, view->spend_milli);
        return true;
    }));
    if (error) return std::unexpected(*std::move(error));
    out.by_actor = by_name(actors);
    out.by_tenant = by_name(tenants);
    return out;
}

}  // namespace tidegate::audit
