#include "audit/views/spend.h"

#include <algorithm>
#include <unordered_map>

#include "audit/schema.h"
#include "audit/views/read_transaction.h"

namespace tidegate::audit {
namespace {

struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
};
using Sums = std::unordered_map<std::string, std::int64_t, TextHash, std::equal_to<>>;

void add(Sums& sums, std::string_view name, std::int64_t milli) {
    if (name.empty()) return;
    const auto found = sums.find(name);
    if (found != sums.end()) {
        found->second += milli;
    } else {
        sums.emplace(name, milli);
    }
}

std::vector<Spent> by_name(const Sums& sums) {
    std::vector<Spent> out;
    out.reserve(sums.size());
    for (const auto& [name, milli] : sums) out.push_back({name, Points{milli}});
    std::ranges::sort(out, {}, &Spent::name);
    return out;
}

/// The least id of a moment: ids sort by time.
std::array<std::uint8_t, 16> first_id_of(UnixMillis time) {
    std::array<std::uint8_t, 16> id{};
    const auto bits = static_cast<std::uint64_t>(std::max<UnixMillis>(0, time));
    for (std::size_t i = 0; i < 6; ++i) id[i] = static_cast<std::uint8_t>(bits >> (40 - 8 * i));
    return id;
}

}  // namespace

Result<SpentSince> SpendView::read(UnixMillis since) const {
    TG_TRY(const ReaderPool::Lease database, pool_->borrow());
    TG_TRY(const ReadTransaction transaction, ReadTransaction::begin(*database));
    TG_TRY(const KindTable kinds, read_kinds(*database));
    TG_TRY(store::Statement rows,
           database->prepare("SELECT kind_id,actor,spend_milli FROM decisions NOT INDEXED WHERE "
                             "seq>=(SELECT min(seq) FROM decisions WHERE id>=?1) AND id>=?1 AND spend_milli>0"));
    const auto first = first_id_of(since);
    rows.bind(1, store::Blob(first));
    SpentSince out;
    Sums actors;
    std::unordered_map<std::int64_t, std::int64_t> by_kind;
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) break;
        ++out.decisions;
        by_kind[rows.integer(0)] += rows.integer(2);
        add(actors, rows.text(1), rows.integer(2));
    }
    Sums tenants;
    for (const auto& [kind_id, milli] : by_kind) {
        const auto kind = kinds.find(kind_id);
        if (kind == kinds.end()) return fail(ErrorCode::kDataLoss, "a decision names an unknown kind");
        add(tenants, kind->second.tenant, milli);
    }
    out.by_actor = by_name(actors);
    out.by_tenant = by_name(tenants);
    return out;
}

}  // namespace tidegate::audit
