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
// Any model makes a vector of it: it tells a passage that fails from a model that does.
constexpr std::string_view kProbe = "water";

/// Puts `fresh` behind the blocks of `set`; searches hold those as they are.
void append_vectors(std::span<const StoredVector> fresh, VectorSet& set) {
    std::shared_ptr<VectorBlock> open;
    for (const StoredVector& one : fresh) {
        if (one.row.empty()) continue;
        if (!open && !set.blocks.empty() && set.blocks.back()->chunks.size() < VectorBlock::kChunksMax) {
            open = std::make_shared<VectorBlock>(*set.blocks.back());
            set.blocks.back() = open;
        } else if (!open || open->chunks.size() == VectorBlock::kChunksMax) {
            open = std::make_shared<VectorBlock>();
            set.blocks.push_back(open);
        }
        open->add(one.chunk, one.content, one.row);
        ++set.count;
    }
}

/// `block` without `gone`; itself where it holds none of them.
std::shared_ptr<const VectorBlock> block_without(const std::shared_ptr<const VectorBlock>& block,
                                                 std::span<const ChunkId> gone) {
    const auto is_gone = [&](ChunkId chunk) { return std::ranges::binary_search(gone, chunk); };
    if (std::ranges::none_of(block->chunks, is_gone)) return block;
    auto out = std::make_shared<VectorBlock>();
    for (std::size_t i = 0; i < block->chunks.size(); ++i) {
        if (is_gone(block->chunks[i])) continue;
        out->add(block->chunks[i], block->contents[i], {block->rows.row(i), block->rows.columns});
    }
    return out;
}

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
    auto made = options_.embedder->embed(question, kQuestionPatience, [this] { return stopping(); });
    if (!made) {
        out.answering.clear();
        out.note = fmt::format("The model {} gives no vector of the question: {}.", model(), made.error().message);
        // One question says nothing of the next. A model that has gone does: nobody waits for it until the maker has found it well.
        if (const auto serves = options_.embedder->version(); !serves) set_trouble(serves.error().message);
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
        if (out.serves) out.reason = found->second.trouble;
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

void PassageVectors::set_trouble_of(TenantId tenant, std::string reason) {
    {
        const Lock lock(mutex_);
        if (shown_[tenant].trouble == reason) return;
        shown_[tenant].trouble = reason;
    }
    if (options_.log == nullptr || reason.empty()) return;
    options_.log->line(observe::Level::kError, "content_vectors_of_tenant_not_made")
        .field("model", model())
        .field("tenant", tenant)
        .field("reason", reason);
}

/// The set before dies behind the lock: searches wait for it, and it may be of many megabytes.
void PassageVectors::replace_set(TenantId tenant, std::shared_ptr<const VectorSet> set, std::uint64_t done) {
    const Lock lock(mutex_);
    Shown& now = shown_[tenant];
    now.set.swap(set);
    now.done = done;
    now.passages = std::max(now.passages, done);
}

/// Puts fresh vectors behind those that are shown. Nobody else changes them meanwhile.
void PassageVectors::show(TenantId tenant, std::span<const StoredVector> fresh, std::uint64_t done) {
    std::shared_ptr<const VectorSet> before;
    {
        const Lock lock(mutex_);
        before = shown_[tenant].set;
    }
    auto next = before ? std::make_shared<VectorSet>(*before) : std::make_shared<VectorSet>();
    append_vectors(fresh, *next);
    replace_set(tenant, std::move(next), done);
}

/// Takes `gone` out of what is shown; the blocks without any of them stay as they are.
void PassageVectors::drop(TenantId tenant, std::span<const ChunkId> gone, Work& work) {
    std::erase_if(work.done, [&](ChunkId chunk) { return std::ranges::binary_search(gone, chunk); });
    work.after = work.done.empty() ? 0 : work.done.back();
    std::shared_ptr<const VectorSet> before;
    {
        const Lock lock(mutex_);
        before = shown_[tenant].set;
    }
    auto next = std::make_shared<VectorSet>();
    for (std::size_t i = 0; before && i < before->blocks.size(); ++i) {
        auto block = block_without(before->blocks[i], gone);
        if (block->chunks.empty()) continue;
        next->count += block->chunks.size();
        next->blocks.push_back(std::move(block));
    }
    replace_set(tenant, std::move(next), work.done.size());
}

Result<void> PassageVectors::check_length(std::size_t columns, std::string_view whose) {
    if (columns_ == 0) columns_ = columns;
    if (columns == columns_ && columns > 0) return {};
    return fail(
        ErrorCode::kUnavailable,
        fmt::format("{} a vector of {} numbers, where the first of this version has {}", whose, columns, columns_));
}

Result<EmbeddedText> PassageVectors::vector_of(std::string_view text, Duration patience) {
    TG_TRY(EmbeddedText made, options_.embedder->embed(text, patience, [this] { return stopping(); }));
    std::string version;
    {
        const Lock lock(mutex_);
        version = version_;
    }
    if (made.version == version) {
        TG_CHECK(check_length(made.row.size(), "it made"));
    }
    return made;
}

/// Built aside: what is shown meanwhile stays.
Result<void> PassageVectors::load(TenantId tenant, Work& work) {
    std::vector<ChunkId> done;
    auto set = std::make_shared<VectorSet>();
    std::vector<StoredVector> batch;
    Result<void> fits;
    TG_CHECK(store_->each(tenant, [&](ChunkId chunk, RowId content, std::span<const float> row) {
        if (fits && !row.empty()) fits = check_length(row.size(), "vectors.db holds");
        if (!fits) return;
        done.push_back(chunk);
        batch.push_back({chunk, content, {row.begin(), row.end()}});
        if (batch.size() < VectorBlock::kChunksMax) return;
        append_vectors(batch, *set);
        batch.clear();
    }));
    TG_CHECK(fits);
    append_vectors(batch, *set);
    work.done = std::move(done);
    work.after = work.done.empty() ? 0 : work.done.back();
    work.loaded = true;
    replace_set(tenant, std::move(set), work.done.size());
    return {};
}

/// At first and after writes: counts, drops the vectors of what is gone, and finds what was left out.
Result<void> PassageVectors::match(Shelf& shelf, const Shelf::TenantState& tenant, Work& work) {
    TG_TRY(const std::int64_t all, shelf.count_chunks(tenant.id));
    const std::uint64_t wanted = std::min(static_cast<std::uint64_t>(all), std::uint64_t{options_.chunks_max});
    {
        // Before anything is shown: what is not loaded yet counts as missing.
        const Lock lock(mutex_);
        Shown& now = shown_[tenant.id];
        now.passages = std::max(wanted, now.done);
    }
    if (!work.loaded) {
        TG_CHECK(load(tenant.id, work));
    }
    TG_TRY(const Shelf::ChunkCount behind, shelf.chunks_behind(tenant.id, work.after));
    if (static_cast<std::uint64_t>(all) != work.done.size() + behind.count) {
        TG_TRY(const std::vector<ChunkId> there, shelf.chunks_of_filter(tenant.id, {}));
        TG_TRY(const std::vector<ChunkId> gone, store_->keep_only(tenant.id, there));
        if (!gone.empty()) drop(tenant.id, gone, work);
        const auto missing =
            std::ranges::find_if(there, [&](ChunkId chunk) { return !std::ranges::binary_search(work.done, chunk); });
        if (missing != there.end()) work.after = std::min(work.after, *missing - 1);
    }
    const Lock lock(mutex_);
    Shown& now = shown_[tenant.id];
    now.passages = std::max(wanted, now.done);
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

/// Has the passage failed often enough? Not where the model fails at anything else too.
bool PassageVectors::gives_up(Work& work, ChunkId chunk, const Error& error) {
    if (stopping()) return false;
    if (std::exchange(work.failing, chunk) != chunk) work.failures = 0;
    if (++work.failures < kTriesMax || !vector_of(kProbe, kQuestionPatience)) return false;
    given_up_.fetch_add(1);
    if (options_.log != nullptr) {
        options_.log->line(observe::Level::kError, "content_passage_without_vector")
            .field("model", model())
            .field("chunk", chunk)
            .field("reason", error.message);
    }
    return true;
}

/// `made`: how many of the passages have been seen to, also when the model fails at one of them.
Result<void> PassageVectors::make(Passages& passages, Work& work, std::size_t& made) {
    for (made = 0; made < passages.wanted.size(); ++made) {
        if (stopping()) return {};
        StoredVector& wanted = passages.wanted[made];
        auto vector = vector_of(passages.texts[made], kPassagePatience);
        if (!vector && vector.error().code == ErrorCode::kInvalidArgument) continue;
        if (!vector && gives_up(work, wanted.chunk, vector.error())) continue;
        if (!vector) return std::unexpected(vector.error());
        const Lock lock(mutex_);
        // The next turn begins with the new version.
        if (vector->version != version_) return {};
        wanted.row = std::move(vector->row);
    }
    return {};
}

Result<PassageVectors::Followed> PassageVectors::follow(Shelf& shelf, const Shelf::TenantState& tenant) {
    Work& work = work_[tenant.id];
    if (work.revision != tenant.revision) {
        TG_CHECK(match(shelf, tenant, work));
        work.revision = tenant.revision;
    }
    TG_TRY(Passages passages, next_passages(shelf, tenant.id, work));
    Followed out;
    if (passages.wanted.empty()) return out;
    std::size_t made = 0;
    const Result<void> done = make(passages, work, made);
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
    out.made = made;
    out.more = made == passages.wanted.size();
    if (!done && !stopping()) out.failed = done.error();
    return out;
}

/// Takes up another version of the model: its vectors are another space.
Result<void> PassageVectors::begin_turn() {
    TG_TRY(const std::string version, options_.embedder->version());
    std::map<TenantId, Shown> old;  // Dies behind the lock.
    {
        const Lock lock(mutex_);
        if (version_ == version) return {};
        shown_.swap(old);
        version_.clear();
    }
    work_.clear();
    columns_ = 0;
    TG_CHECK(store_->use_version(version));
    const Lock lock(mutex_);
    version_ = version;
    return {};
}

/// Is it the model, or the store, for all? `unreadable`: tenants whose texts or vectors could not be read or kept.
Result<void> PassageVectors::look_at_failures(const Turn& turn, std::size_t tenants, std::size_t unreadable) {
    if (!turn.failed || turn.made > 0) return {};
    if (unreadable == tenants) return std::unexpected(*turn.failed);
    if (const auto probe = vector_of(kProbe, kQuestionPatience); !probe) return std::unexpected(probe.error());
    return {};
}

Result<PassageVectors::Turn> PassageVectors::turn(Shelf& shelf) {
    TG_CHECK(begin_turn());
    TG_TRY(const std::vector<Shelf::TenantState> tenants, shelf.tenants());
    Turn out;
    std::size_t unreadable = 0;
    for (const Shelf::TenantState& tenant : tenants) {
        if (stopping()) return out;
        const Result<Followed> of_it = follow(shelf, tenant);
        if (of_it) {
            out.more = out.more || of_it->more;
            out.made += of_it->made;
        } else {
            ++unreadable;
        }
        const std::optional<Error> failed = of_it ? of_it->failed : std::optional(of_it.error());
        set_trouble_of(tenant.id, failed ? failed->message : std::string());
        if (failed) out.failed = failed;
    }
    if (stopping()) return out;
    TG_CHECK(look_at_failures(out, tenants.size(), unreadable));
    set_trouble({});
    return out;
}

Result<void> PassageVectors::make_all() {
    TG_ASSERT(!options_.makes_itself);
    TG_TRY(const std::unique_ptr<Shelf> shelf, open_shelf_());
    std::uint32_t idle_turns = 0;
    for (;;) {
        const auto done = turn(*shelf);
        if (!done) {
            set_trouble(done.error().message);
            return std::unexpected(done.error());
        }
        if (!done->failed && !done->more) return {};
        idle_turns = done->made > 0 ? 0 : idle_turns + 1;
        if (done->failed && idle_turns == kTriesMax) return std::unexpected(*done->failed);
    }
}

void PassageVectors::run() {
    std::unique_ptr<Shelf> shelf;
    for (;;) {
        Result<Turn> done = Turn{};
        if (!shelf) {
            auto opened = open_shelf_();
            if (opened) {
                shelf = *std::move(opened);
            } else {
                done = std::unexpected(opened.error());
            }
        }
        if (shelf) done = turn(*shelf);
        if (!done) set_trouble(done.error().message);
        const Lock lock(mutex_);
        if (!stopping_ && !(done && done->more) && !woken_) wake_.wait_for(mutex_, kLookForPassagesEvery);
        woken_ = false;
        if (stopping_) return;
    }
}

}  // namespace tidegate::content
