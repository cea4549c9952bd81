#include "audit/postgres/exploded.h"

#include <algorithm>

#include "audit/segments/batch_scan.h"
#include "base/assert.h"

namespace tidegate::audit::postgres {
namespace {

using segments::RecordView;
using segments::text_of;
using store::postgres_time;
using store::PostgresCopyRows;

/// In the order of the columns in schema.cpp.
void add_row(PostgresCopyRows& rows, std::uint64_t leaf, const RecordView& view) {
    rows.begin(18);
    rows.add_int(static_cast<std::int64_t>(leaf));
    rows.add_int(postgres_time(view.recorded));
    rows.add_int(postgres_time(unix_ms_of(view.id)));
    rows.add_bytes(text_of(view.id.bytes));
    rows.add_small(static_cast<std::int16_t>(view.kind));
    rows.add_bytes(to_string(view.status));
    for (const std::string_view text :
         {view.tenant, view.actor, view.service, view.operation, view.model, view.model_version, view.band}) {
        rows.add_text(text);
    }
    if (view.confidence) {
        rows.add_double(*view.confidence);
    } else {
        rows.add_null();
    }
    if (view.latency_stated) {
        rows.add_int(view.latency_us);
    } else {
        rows.add_null();
    }
    rows.add_text(view.request_id);
    rows.add_bytes(text_of(view.input_hash));
    rows.add_text(view.error);
}

}  // namespace

Block Exploder::explode(Bytes payload, std::span<const Sha256> leaves, const MerkleStack& before, std::uint64_t seed) {
    views_.clear();
    recent_.clear();
    errors_.clear();
    Block block;
    block.first_leaf = before.size();
    block.records = leaves.size();
    block.payload = payload;
    block.after = before;
    segments::RecordCursor cursor(payload);
    Bytes record;
    while (cursor.next(record)) {
        auto view = segments::decode(record);
        TG_ASSERT(view.has_value());  // This process has just encoded it.
        const std::uint64_t leaf = block.first_leaf + views_.size();
        block.zone.add(segments::keys_of(seed, *view));
        if (const Month month = month_of(view->recorded);
            std::ranges::find(block.months, month) == block.months.end()) {
            block.months.push_back(month);
        }
        add_row(recent_, leaf, *view);
        if (view->status != Status::kSuccess) add_row(errors_, leaf, *view);
        views_.push_back(*view);
    }
    TG_ASSERT(views_.size() == leaves.size() && !views_.empty());
    for (const Sha256& leaf : leaves) block.after.add(leaf);
    block.recent_rows = recent_.finish();
    if (!errors_.empty()) block.error_rows = errors_.finish();
    return block;
}

}  // namespace tidegate::audit::postgres
