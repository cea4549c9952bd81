#include "audit/rollup.h"

#include <algorithm>

namespace tidegate::audit {

void RollupCell::add(const Decision& decision) {
    ++decisions;
    if (decision.confidence) {
        ++confidences;
        confidence_sum += *decision.confidence;
    }
    latency_sum_us += decision.latency_us;
    latency_max_us = std::max(latency_max_us, decision.latency_us);
    spend_points += decision.spend_points;
    tokens += decision.tokens;
    latency.add(decision.latency_us);
}

void RollupCell::merge(const RollupCell& other) {
    decisions += other.decisions;
    confidences += other.confidences;
    confidence_sum += other.confidence_sum;
    latency_sum_us += other.latency_sum_us;
    latency_max_us = std::max(latency_max_us, other.latency_max_us);
    spend_points += other.spend_points;
    tokens += other.tokens;
    latency.merge(other.latency);
}

Result<RollupCell> read_cell(const store::Statement& row) {
    RollupCell cell;
    cell.decisions = static_cast<std::uint64_t>(row.integer(2));
    cell.confidences = static_cast<std::uint64_t>(row.integer(3));
    cell.confidence_sum = row.real(4);
    cell.latency_sum_us = row.integer(5);
    cell.latency_max_us = row.integer(6);
    cell.spend_points = Points{row.integer(7)};
    cell.tokens = row.integer(8);
    TG_CHECK(cell.latency.merge_encoded(row.blob(9)));
    return cell;
}

Result<Rollup> Rollup::open(store::Database& database) {
    TG_TRY(store::Statement load, database.prepare(std::string(kSelectHours) + " WHERE hour=? AND kind_id=?"));
    TG_TRY(store::Statement save, database.prepare("INSERT OR REPLACE INTO hours VALUES(?,?,?,?,?,?,?,?,?,?)"));
    return Rollup(std::move(load), std::move(save));
}

Result<RollupCell*> Rollup::cell(const Key& key) {
    if (const auto found = cells_.find(key); found != cells_.end()) return &found->second;
    load_.bind(1, key.first).bind(2, key.second);
    TG_TRY(const bool row, load_.step());
    Result<RollupCell> loaded = row ? read_cell(load_) : Result<RollupCell>(RollupCell{});
    load_.reset();
    if (!loaded) return std::unexpected(std::move(loaded).error());
    return &cells_.emplace(key, *std::move(loaded)).first->second;
}

Result<void> Rollup::add(const Decision& decision, std::int64_t kind_id) {
    const Key key{decision.time() / kHourMs, kind_id};
    TG_TRY(RollupCell* const found, cell(key));
    found->add(decision);
    touched_.insert(key);
    return {};
}

Result<void> Rollup::write() {
    for (const Key& key : touched_) {
        const RollupCell& sums = cells_.at(key);
        encoded_.clear();
        sums.latency.encode(encoded_);
        save_.bind(1, key.first).bind(2, key.second).bind(3, static_cast<std::int64_t>(sums.decisions));
        save_.bind(4, static_cast<std::int64_t>(sums.confidences)).bind(5, sums.confidence_sum);
        save_.bind(6, sums.latency_sum_us)
            .bind(7, sums.latency_max_us)
            .bind(8, sums.spend_points.milli)
            .bind(9, sums.tokens);
        save_.bind(10, store::Blob(encoded_));
        TG_CHECK(save_.run());
    }
    touched_.clear();
    if (cells_.size() > kCellsMax) cells_.clear();
    return {};
}

}  // namespace tidegate::audit
