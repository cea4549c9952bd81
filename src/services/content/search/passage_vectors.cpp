#include "services/content/search/passage_vectors.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace tidegate::content {
namespace {

constexpr Duration kLookForPassagesEvery = std::chrono::seconds(1);
constexpr Duration kQuestionPatience = std::chrono::seconds(5);
constexpr Duration kPassagePatience = std::chrono::minutes(2);

}  // namespace

Result<std::unique_ptr<PassageVectors>> PassageVectors::open(PassageVectorsOptions options, OpenShelf open_shelf,
                                                             std::string_view identity, const Clock& clock) {
    std::unique_ptr<PassageVectors> made(new PassageVectors(std::move(options), std::move(open_shelf)));
    TG_TRY(made->store_, VectorStore::open(made->options_.path, identity, clock));
    if (made->options_.makes_itself) made->maker_ = std::thread([self = made.get()] { self->run(); });
    return made;
}

PassageVectors::~PassageVectors() {
    stop();
}

void PassageVectors::stop() {
    {
        const Lock lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    if (maker_.joinable()) maker_.join();
}

void PassageVectors::wake() {
    {
        const Lock lock(mutex_);
        woken_ = true;
    }
    wake_.notify_all();
}

bool PassageVectors::stopping() const {
    const Lock lock(mutex_);
    return stopping_;
}

std::string PassageVectors::trouble() const {
    const Lock lock(mutex_);
    return trouble_;
}

VectorQuestion PassageVectors::ask(TenantId tenant, std::string_view question) {
    VectorQuestion out;
    Shown shown;
    std::string version;
    {
        const Lock lock(mutex_);
        if (const auto found = shown_.find(tenant); found != shown_.end()) shown = found->second;
        version = version_;
        out.answering = answering(shown);
        if (!trouble_.empty()) out.note = fmt::format("The model {} does not serve: {}.", model(), trouble_);
    }
    if (!out.note.empty()) return out;
    if (shown.passages == 0) {
        out.note = fmt::format("The model {} has not seen these texts yet.", model());
        return out;
    }
    if (!shown.covered()) {
        out.note = fmt::format("The model {} has seen to {} of {} passages; it answers from {} % on.", model(),
                               shown.done, shown.passages, kCoveredPercent);
        return out;
    }
    auto made = options_.embedder->embed(question, kQuestionPatience);
    if (!made) {
        out.answering.clear();
        out.note = fmt::format("The model {} gives no vector of the question: {}.", model(), made.error().message);
        // Who asks next does not wait for it until the maker has found it well.
        if (made.error().code != ErrorCode::kInvalidArgument) set_trouble(made.error().message);
        return out;
    }
    const bool same_space = made->version == version && shown.set && !shown.set->blocks.empty() &&
                            shown.set->blocks.front()->rows.columns == made->row.size();
    if (!same_space) {
        out.answering.clear();
        out.note = fmt::format("The model {} has been replaced; its vectors are made anew.", model());
        return out;
    }
    out.set = std::move(shown.set);
    out.row = std::move(made->row);
    if (shown.done < shown.passages) {
        out.note = fmt::format("{} of {} passages have no vector yet: they are found by their words alone.",
                               shown.passages - shown.done, shown.passages);
    }
    return out;
}

std::string PassageVectors::answering(const Shown& shown) const {
    if (!trouble_.empty() || !shown.covered()) return {};
    return fmt::format("{} {}.{}", model(), version_, shown.done);
}

std::string PassageVectors::answering(TenantId tenant) const {
    const Lock lock(mutex_);
    const auto found = shown_.find(tenant);
    return found == shown_.end() ? std::string() : answering(found->second);
}

VectorState PassageVectors::state_of(TenantId tenant) const {
    const Lock lock(mutex_);
    VectorState out{.model = std::string(model()), .version = version_, .reason = trouble_};
    out.serves = trouble_.empty();
    if (const auto found = shown_.find(tenant); found != shown_.end()) {
        out.done = found->second.done;
        out.passages = found->second.passages;
        out.answers = out.serves && found->second.covered();
    }
    return out;
}

void PassageVectors::set_trouble(std::string reason) {
    {
        const Lock lock(mutex_);
        if (trouble_ == reason) return;
        trouble_ = reason;
    }
    if (options_.log == nullptr) return;
    auto line = options_.log->line(reason.empty() ? observe::Level::kInfo : observe::Level::kError,
                                   reason.empty() ? "content_vectors_served" : "content_vectors_not_served");
    line.field("model", model());
    if (!reason.empty()) line.field("reason", reason);
}

/// Puts fresh vectors behind those that are shown.
void PassageVectors::show(TenantId tenant, std::span<const StoredVector> fresh, std::uint64_t done) {
    const Lock lock(mutex_);
    Shown& now = shown_[tenant];
    auto next = now.set ? std::make_shared<VectorSet>(*now.set) : std::make_shared<VectorSet>();
    std::shared_ptr<VectorBlock> open;
    for (const StoredVector& one : fresh) {
        if (one.row.empty()) continue;
        if (!open && !next->blocks.empty() && next->blocks.back()->chunks.size() < VectorBlock::kChunksMax) {
            // Searches hold the block as it is.
            open = std::make_shared<VectorBlock>(*next->blocks.back());
            next->blocks.back() = open;
        } else if (!open || open->chunks.size() == VectorBlock::kChunksMax) {
            open = std::make_shared<VectorBlock>();
            next->blocks.push_back(open);
        }
        open->add(one.chunk, one.content, one.row);
        ++next->count;
    }
    now.set = std::move(next);
    now.done = done;
    now.passages = std::max(now.passages, done);
}

Result<void> PassageVectors::load(TenantId tenant, Work& work) {
    {
        const Lock lock(mutex_);
        Shown& now = shown_[tenant];
        now.set = nullptr;
        now.done = 0;
    }
    work.done.clear();
    std::vector<StoredVector> batch;
    TG_CHECK(store_->each(tenant, [&](ChunkId chunk, RowId content, std::span<const float> row) {
        work.done.push_back(chunk);
        batch.push_back({chunk, content, {row.begin(), row.end()}});
        if (batch.size() < VectorBlock::kChunksMax) return;
        show(tenant, batch, work.done.size());
        batch.clear();
    }));
    if (!batch.empty()) show(tenant, batch, work.done.size());
    work.after = work.done.empty() ? 0 : work.done.back();
    work.loaded = true;
    return {};
}

/// At first and after writes: counts, drops the vectors of what is gone, and finds what was left out.
Result<void> PassageVectors::match(Shelf& shelf, const Shelf::TenantState& tenant, Work& work) {
    TG_TRY(const std::int64_t all, shelf.count_chunks(tenant.id));
    {
        // Before anything is shown: what is not loaded yet counts as missing.
        const Lock lock(mutex_);
        shown_[tenant.id].passages = std::min(static_cast<std::uint64_t>(all), std::uint64_t{options_.chunks_max});
    }
    if (!work.loaded) {
        TG_CHECK(load(tenant.id, work));
    }
    TG_TRY(const Shelf::ChunkCount behind, shelf.chunks_behind(tenant.id, work.after));
    if (static_cast<std::uint64_t>(all) != work.done.size() + behind.count) {
        TG_TRY(const std::vector<ChunkId> there, shelf.chunks_of_filter(tenant.id, {}));
        TG_TRY(const std::uint64_t dropped, store_->keep_only(tenant.id, there));
        if (dropped > 0) {
            TG_CHECK(load(tenant.id, work));
        }
        const auto missing =
            std::ranges::find_if(there, [&](ChunkId chunk) { return !std::ranges::binary_search(work.done, chunk); });
        if (missing != there.end()) work.after = std::min(work.after, *missing - 1);
    }
    return {};
}

Result<PassageVectors::Passages> PassageVectors::next_passages(Shelf& shelf, TenantId tenant, const Work& work) const {
    Passages out;
    const std::size_t room_left = options_.chunks_max - std::min(options_.chunks_max, work.done.size());
    const std::size_t most = std::min(kBatch, room_left);
    if (most == 0) return out;
    TG_CHECK(
        shelf.each_chunk(tenant, work.after, [&](const Chunk& chunk, std::string_view title, std::string_view text) {
            if (std::ranges::binary_search(work.done, chunk.id)) return true;
            out.wanted.push_back({chunk.id, chunk.content, {}});
            out.texts.push_back(std::string(title).append("\n").append(text));
            return out.wanted.size() < most;
        }));
    return out;
}

/// `made`: how many of the passages have been seen to, also when the model fails at one of them.
Result<void> PassageVectors::make(Passages& passages, std::size_t& made) {
    for (made = 0; made < passages.wanted.size(); ++made) {
        if (stopping()) return {};
        auto vector = options_.embedder->embed(passages.texts[made], kPassagePatience);
        if (!vector && vector.error().code == ErrorCode::kInvalidArgument) continue;
        if (!vector) return std::unexpected(vector.error());
        const Lock lock(mutex_);
        // The next turn begins with the new version.
        if (vector->version != version_) return {};
        passages.wanted[made].row = std::move(vector->row);
    }
    return {};
}

Result<bool> PassageVectors::follow(Shelf& shelf, const Shelf::TenantState& tenant) {
    Work& work = work_[tenant.id];
    if (work.revision != tenant.revision) {
        TG_CHECK(match(shelf, tenant, work));
        work.revision = tenant.revision;
    }
    TG_TRY(Passages passages, next_passages(shelf, tenant.id, work));
    if (passages.wanted.empty()) return false;
    std::size_t made = 0;
    const Result<void> done = make(passages, made);
    const std::span<const StoredVector> fresh(passages.wanted.data(), made);
    if (!fresh.empty()) {
        TG_CHECK(store_->add(tenant.id, fresh));
        for (const StoredVector& one : fresh) {
            work.done.insert(std::ranges::upper_bound(work.done, one.chunk), one.chunk);
            work.after = std::max(work.after, one.chunk);
        }
        show(tenant.id, fresh, work.done.size());
        made_.fetch_add(fresh.size());
        if (options_.on_change) options_.on_change();
    }
    if (!done) return std::unexpected(done.error());
    return made == passages.wanted.size();
}

Result<bool> PassageVectors::turn(Shelf& shelf) {
    TG_TRY(const std::string version, options_.embedder->version());
    bool same = false;
    {
        const Lock lock(mutex_);
        same = version_ == version;
        if (!same) {
            shown_.clear();
            version_.clear();
        }
    }
    if (!same) {
        work_.clear();
        TG_CHECK(store_->use_version(version));
        const Lock lock(mutex_);
        version_ = version;
    }
    bool more = false;
    TG_TRY(const std::vector<Shelf::TenantState> tenants, shelf.tenants());
    for (const Shelf::TenantState& tenant : tenants) {
        if (stopping()) return false;
        TG_TRY(const bool of_it, follow(shelf, tenant));
        more = more || of_it;
    }
    set_trouble({});
    return more;
}

Result<void> PassageVectors::make_all() {
    TG_ASSERT(!options_.makes_itself);
    TG_TRY(const std::unique_ptr<Shelf> shelf, open_shelf_());
    for (;;) {
        const auto more = turn(*shelf);
        if (!more) {
            set_trouble(more.error().message);
            return std::unexpected(more.error());
        }
        if (!*more) return {};
    }
}

void PassageVectors::run() {
    std::unique_ptr<Shelf> shelf;
    for (;;) {
        Result<bool> more = false;
        if (!shelf) {
            auto opened = open_shelf_();
            if (opened) {
                shelf = *std::move(opened);
            } else {
                more = std::unexpected(opened.error());
            }
        }
        if (shelf) more = turn(*shelf);
        if (!more) set_trouble(more.error().message);
        const Lock lock(mutex_);
        if (!stopping_ && !(more && *more) && !woken_) wake_.wait_for(mutex_, kLookForPassagesEvery);
        woken_ = false;
        if (stopping_) return;
    }
}

}  // namespace tidegate::content
