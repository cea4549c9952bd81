#include "services/content/search/library.h"

#include <algorithm>
#include <utility>

#include "base/ids.h"
#include "services/content/search/postgres_shelf.h"
#include "services/content/search/sqlite_shelf.h"

namespace tidegate::content {
namespace {

constexpr std::size_t kBatchBytes = std::size_t{4} * 1024 * 1024;

/// A chunk with its title and text.
struct ChunkText {
    Chunk chunk;
    std::string text;
};

/// The chunks of a tenant one after the other, read kBatchBytes at a time: no statement is open between two.
class ChunkTexts {
  public:
    ChunkTexts(Shelf& shelf, TenantId tenant, ChunkId after) : shelf_(shelf), tenant_(tenant), after_(after) {}
    /// Null: that was all. Lives until the next call.
    Result<const ChunkText*> next() {
        if (at_ == batch_.size()) {
            TG_CHECK(read());
        }
        return at_ == batch_.size() ? nullptr : &batch_[at_++];
    }

  private:
    Result<void> read() {
        batch_.clear();
        at_ = 0;
        std::size_t bytes = 0;
        return shelf_.each_chunk(tenant_, after_,
                                 [&](const Chunk& chunk, std::string_view title, std::string_view text) {
                                     after_ = chunk.id;
                                     batch_.push_back({chunk, std::string(title).append("\n").append(text)});
                                     bytes += batch_.back().text.size() + sizeof(ChunkText);
                                     return bytes < kBatchBytes;
                                 });
    }

    Shelf& shelf_;
    TenantId tenant_;
    ChunkId after_;
    std::vector<ChunkText> batch_;
    std::size_t at_ = 0;
};

}  // namespace

std::string_view to_string(SearchMode mode) noexcept {
    switch (mode) {
        case SearchMode::kHybrid:
            return "hybrid";
        case SearchMode::kDense:
            return "dense";
        case SearchMode::kLexical:
            return "lexical";
    }
    return "lexical";
}

std::optional<SearchMode> search_mode_of(std::string_view text) noexcept {
    for (const SearchMode mode : {SearchMode::kHybrid, SearchMode::kDense, SearchMode::kLexical}) {
        if (text == to_string(mode)) return mode;
    }
    return std::nullopt;
}

Result<std::unique_ptr<Library>> Library::open(LibraryOptions options, const Clock& clock, Random& random) {
    std::unique_ptr<Library> library(new Library(std::move(options), clock, random));
    if (library->options_.postgres) {
        TG_TRY(library->postgres_, PostgresTexts::open(*library->options_.postgres, clock));
    }
    TG_TRY(auto writer, library->open_shelf());
    TG_TRY(library->identity_, writer->identity());
    {
        const Lock lock(library->write_mutex_);
        library->writer_ = std::move(writer);
    }
    const LibraryOptions& given = library->options_;
    if (given.embedder != nullptr) {
        PassageVectorsOptions of_vectors{.path = given.vectors_path,
                                         .embedder = given.embedder,
                                         .chunks_max = given.chunks_max,
                                         .makes_itself = given.trains_itself,
                                         .on_change = given.on_change,
                                         .log = given.log};
        TG_TRY(library->passages_, PassageVectors::open(
                                       std::move(of_vectors), [self = library.get()] { return self->open_shelf(); },
                                       library->identity_, clock));
    }
    if (library->options_.trains_itself) {
        library->trainer_ = std::thread([self = library.get()] { self->run_trainer(); });
    }
    return library;
}

Library::~Library() {
    stop();
}

void Library::stop() {
    {
        const Lock lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    if (passages_) passages_->stop();
    if (trainer_.joinable()) trainer_.join();
}

bool Library::stopping() const {
    const Lock lock(mutex_);
    return stopping_;
}

Result<std::unique_ptr<Shelf>> Library::open_shelf() const {
    if (postgres_) return std::make_unique<PostgresShelf>(postgres_->session());
    return SqliteShelf::open(options_.path, clock_);
}

Result<std::unique_ptr<Shelf>> Library::borrow() {
    {
        const Lock lock(readers_mutex_);
        while (postgres_ && lent_ == kPostgresReadersMax) returned_.wait(readers_mutex_);
        ++lent_;
        if (!readers_.empty()) {
            auto shelf = std::move(readers_.back());
            readers_.pop_back();
            return shelf;
        }
    }
    auto opened = open_shelf();
    if (!opened) give_back(nullptr);
    return opened;
}

void Library::give_back(std::unique_ptr<Shelf> shelf) {
    const Lock lock(readers_mutex_);
    --lent_;
    if (shelf) readers_.push_back(std::move(shelf));
    returned_.notify_one();
}

Result<Library::Borrowed> Library::Borrowed::take(Library& library) {
    TG_TRY(auto shelf, library.borrow());
    return Borrowed(library, std::move(shelf));
}

Library::Borrowed::~Borrowed() {
    if (shelf_) library_->give_back(std::move(shelf_));
}

Library::Tenant Library::known(std::string_view tenant) const {
    const Lock lock(mutex_);
    const auto found = tenants_.find(tenant);
    return found == tenants_.end() ? Tenant{} : found->second;
}

Result<PutResult> Library::put_one(TenantId tenant, Content& content) {
    std::vector<Chunk> made;
    const std::string fresh = to_string(make_uuid7(clock_, random_));
    const auto outcome = writer_->put(tenant, content, fresh, options_.chunk_bytes, clock_.unix_ms(), made);
    // Of this one alone; the others of its batch go in.
    const bool refused = !outcome && (outcome.error().code == ErrorCode::kConflict ||
                                      outcome.error().code == ErrorCode::kInvalidArgument);
    if (!outcome && !refused) return std::unexpected(outcome.error());
    return PutResult{content.id, outcome};
}

Result<std::vector<PutResult>> Library::put(std::string_view tenant, std::vector<Content> contents) {
    std::vector<PutResult> out;
    bool wrote = false;
    {
        const Lock lock(write_mutex_);
        TG_TRY(WriteMoment moment, WriteMoment::begin(*writer_));
        TG_TRY(const TenantId id, writer_->make_tenant(tenant));
        for (Content& content : contents) {
            TG_TRY(PutResult one, put_one(id, content));
            if (one.outcome && *one.outcome != PutOutcome::kUnchanged) wrote = true;
            out.push_back(std::move(one));
        }
        if (wrote) {
            TG_CHECK(writer_->touch(id));
        }
        TG_TRY(const Shelf::TenantState state, writer_->state_of(id));
        TG_CHECK(moment.commit());
        // What was written is found by its words already; where its meaning cannot be folded in, the trainer tries again.
        if (wrote) [[maybe_unused]]
            const auto folded = catch_up(*writer_, state);
    }
    if (wrote && passages_) passages_->wake();
    if (wrote && options_.on_change) options_.on_change();
    return out;
}

Result<bool> Library::remove(std::string_view tenant, std::string_view id) {
    {
        const Lock lock(write_mutex_);
        TG_TRY(WriteMoment moment, WriteMoment::begin(*writer_));
        TG_TRY(const TenantId number, writer_->tenant(tenant));
        if (number == 0) return false;
        TG_TRY(const bool removed, writer_->remove(number, id));
        if (!removed) return false;
        TG_CHECK(writer_->touch(number));
        TG_TRY(const Shelf::TenantState state, writer_->state_of(number));
        TG_CHECK(moment.commit());
        [[maybe_unused]] const auto folded = catch_up(*writer_, state);
    }
    if (passages_) passages_->wake();
    if (options_.on_change) options_.on_change();
    return true;
}

void Library::fold_in(const LsaSpace& space, const Chunk& chunk, std::string_view text,
                      std::vector<std::shared_ptr<VectorBlock>>& blocks) {
    if (blocks.empty() || blocks.back()->chunks.size() == VectorBlock::kChunksMax) {
        blocks.push_back(std::make_shared<VectorBlock>());
    }
    blocks.back()->add(chunk.id, chunk.content, space.place(words_of(text)));
}

Result<Library::Placed> Library::place_all(Shelf& shelf, TenantId tenant, ChunkId after, const LsaSpace* space,
                                           std::size_t room, const std::function<bool()>& stopped) {
    Placed out;
    out.last = after;
    if (space != nullptr) {
        ChunkTexts texts(shelf, tenant, after);
        while (out.count < room && !stopped()) {
            TG_TRY(const ChunkText* const one, texts.next());
            if (one == nullptr) break;
            fold_in(*space, one->chunk, one->text, out.blocks);
            out.last = one->chunk.id;
            ++out.count;
        }
    }
    // Those that have no place in the space are counted without being read.
    TG_TRY(const Shelf::ChunkCount rest, shelf.chunks_behind(tenant, out.last));
    out.total = out.count + rest.count;
    out.last = std::max(out.last, rest.last);
    return out;
}

Result<void> Library::catch_up(Shelf& shelf, const Shelf::TenantState& state) {
    auto folded = fold_behind(shelf, state);
    if (!folded) {
        const Lock lock(mutex_);
        Tenant& now = tenants_[state.name];
        now.id = state.id;
        now.revision = state.revision;  // Kept answers of the one before are not given any more.
        now.behind = true;
    }
    return folded;
}

Result<void> Library::fold_behind(Shelf& shelf, const Shelf::TenantState& state) {
    const Tenant before = known(state.name);
    const LsaSpace* const space = before.vectors ? before.vectors->space.get() : nullptr;
    const std::size_t known_count = before.vectors ? before.vectors->count : 0;
    const std::size_t room = options_.chunks_max - std::min(options_.chunks_max, known_count);
    TG_TRY(Placed fresh, place_all(shelf, state.id, before.last_chunk, space, room, [this] { return stopping(); }));
    const Lock lock(mutex_);
    Tenant& now = tenants_[state.name];
    now.id = state.id;
    now.revision = state.revision;
    now.behind = false;
    now.last_chunk = fresh.last;
    // A removal makes no chunk.
    now.changed += fresh.total > 0 ? fresh.total : (before.revision != state.revision ? 1U : 0U);
    now.total += fresh.total;
    if (!fresh.blocks.empty()) {
        auto next = std::make_shared<Vectors>(*now.vectors);
        for (auto& block : fresh.blocks) next->blocks.push_back(std::move(block));
        next->count = known_count + fresh.count;
        now.vectors = std::move(next);
    }
    return {};
}

Result<std::shared_ptr<const LsaSpace>> Library::learn(Shelf& shelf, TenantId tenant,
                                                       const std::function<bool()>& stopped) {
    ChunkTexts texts(shelf, tenant, 0);
    std::size_t given = 0;
    Result<void> read;
    const auto next = [&](std::vector<Word>& words) {
        if (given == options_.chunks_max) return false;
        const auto one = texts.next();
        if (!one) read = std::unexpected(one.error());
        if (!one || *one == nullptr) return false;
        ++given;
        words = words_of((*one)->text);
        return true;
    };
    auto space = LsaSpace::train(next, options_.dimensions, stopped);
    TG_CHECK(read);
    return space;
}

Result<bool> Library::train_tenant(Shelf& shelf, const Shelf::TenantState& state) {
    std::optional<SteadyTime> looked;
    // Between two batches of its texts: no statement is open on the shelf.
    const std::function<bool()> stopped = [&] {
        look_while_training(shelf, looked);
        return stopping();
    };
    TG_TRY(const std::shared_ptr<const LsaSpace> space, learn(shelf, state.id, stopped));
    if (stopping()) return false;
    TG_TRY(Placed all, place_all(shelf, state.id, 0, space.get(), options_.chunks_max, stopped));
    if (stopping()) return false;
    std::shared_ptr<Vectors> vectors;
    if (space) {
        vectors = std::make_shared<Vectors>();
        vectors->space = space;
        vectors->blocks.assign(all.blocks.begin(), all.blocks.end());
        vectors->count = all.count;
    }
    const Lock write(write_mutex_);
    {
        const Lock lock(mutex_);
        Tenant& now = tenants_[state.name];
        now.id = state.id;
        now.last_chunk = all.last;
        now.trained_at = state.revision;
        now.behind = now.revision > state.revision;  // Not back: a later one is known, whose texts come below.
        now.revision = std::max(now.revision, state.revision);
        now.total = all.total;
        now.changed = 0;
        now.vectors = std::move(vectors);
    }
    trainings_.fetch_add(1);
    // What came while it was training.
    TG_TRY(const Shelf::TenantState latest, shelf.state_of(state.id));
    TG_CHECK(catch_up(shelf, latest));
    return space != nullptr;
}

Result<bool> Library::train(std::string_view tenant) {
    TG_TRY(const Borrowed shelf, Borrowed::take(*this));
    TG_TRY(const TenantId id, shelf->tenant(tenant));
    if (id == 0 || options_.dimensions == 0) return false;
    TG_TRY(const Shelf::TenantState state, shelf->state_of(id));
    return train_tenant(*shelf, state);
}

bool Library::wants_training(const Tenant& tenant) const {
    if (options_.dimensions == 0 || tenant.total < LsaSpace::kTextsMin) return false;
    // Texts that gave no space once give none either until as many are others.
    if (tenant.trained_at == 0) return tenant.changed > 0;
    return tenant.changed >= std::max<std::uint64_t>(LsaSpace::kTextsMin, tenant.total / 10);
}

void Library::look_again(Shelf& shelf, const Shelf::TenantState& seen) {
    if (const Tenant now = known(seen.name); now.revision == seen.revision && !now.behind) return;
    {
        const Lock lock(write_mutex_);
        const auto state = shelf.state_of(seen.id);
        // What cannot be read now is tried again at the next turn.
        if (!state) return;
        const Tenant before = known(state->name);
        const bool moved = before.revision != state->revision;
        if (!moved && !before.behind) return;
        if (!catch_up(shelf, *state) && !moved) return;
    }
    if (options_.on_change) options_.on_change();
}

void Library::look_while_training(Shelf& shelf, std::optional<SteadyTime>& last) {
    const SteadyTime now = clock_.now();
    if (last && now - *last < kLookEvery) return;
    const auto tenants = shelf.tenants();
    for (std::size_t i = 0; tenants && i < tenants->size() && !stopping(); ++i) look_again(shelf, (*tenants)[i]);
    last = clock_.now();
}

void Library::trainer_turn(Shelf& shelf, SeenRevisions& seen) {
    const auto tenants = shelf.tenants();
    for (std::size_t i = 0; tenants && i < tenants->size() && !stopping(); ++i) {
        const Shelf::TenantState& state = (*tenants)[i];
        look_again(shelf, state);
        // An import in pieces is trained on once, at its end.
        const bool quiet = seen[state.name] == state.revision;
        seen[state.name] = state.revision;
        if ((quiet || known(state.name).trained_at == 0) && wants_training(known(state.name))) {
            const auto trained = train_tenant(shelf, state);
            if (!trained) tell("content_training_failed", trained.error());
            if (options_.on_change) options_.on_change();
        }
    }
}

void Library::tell(std::string_view event, const Error& error) const {
    if (options_.log != nullptr) options_.log->line(observe::Level::kError, event).field("reason", error.message);
}

void Library::run_trainer() {
    std::unique_ptr<Shelf> shelf;
    SeenRevisions seen;
    bool told = false;
    for (;;) {
        if (!shelf) {
            auto opened = open_shelf();
            if (opened) {
                shelf = *std::move(opened);
            } else if (!std::exchange(told, true)) {
                tell("content_trainer_cannot_open", opened.error());  // It tries again at each turn.
            }
        }
        if (shelf) trainer_turn(*shelf, seen);
        const Lock lock(mutex_);
        if (stopping_) return;
        wake_.wait_for(mutex_, kLookEvery);
        if (stopping_) return;
    }
}

Result<std::optional<Content>> Library::find(std::string_view tenant, std::string_view id) {
    TG_TRY(const Borrowed shelf, Borrowed::take(*this));
    TG_TRY(const TenantId number, shelf->tenant(tenant));
    if (number == 0) return std::optional<Content>();
    return shelf->find(number, id);
}

Result<ContentPage> Library::page(std::string_view tenant, const SearchFilter& filter, RowId before,
                                  std::size_t limit) {
    TG_TRY(const Borrowed shelf, Borrowed::take(*this));
    TG_TRY(const TenantId number, shelf->tenant(tenant));
    if (number == 0) return ContentPage{};
    return shelf->page(number, filter, before, limit);
}

Result<std::int64_t> Library::count(std::string_view tenant) {
    TG_TRY(const Borrowed shelf, Borrowed::take(*this));
    TG_TRY(const TenantId number, shelf->tenant(tenant));
    if (number == 0) return 0;
    return shelf->count_contents(number);
}

SpaceState Library::space_of(std::string_view tenant) const {
    const Tenant now = known(tenant);
    SpaceState out{.chunks = now.total, .changed = now.changed, .trained = now.vectors != nullptr};
    if (now.vectors) {
        out.chunks = now.vectors->count;
        out.words = now.vectors->space->words();
        out.dimensions = now.vectors->space->dimensions();
        out.texts = now.vectors->space->texts();
    }
    return out;
}

std::string Library::version_of(std::string_view tenant) const {
    const Tenant now = known(tenant);
    return version_of(now, passages_ ? passages_->answering(now.id) : std::string());
}

std::optional<VectorState> Library::vectors_of(std::string_view tenant) const {
    if (!passages_) return std::nullopt;
    return passages_->state_of(known(tenant).id);
}

/// `model`: what answers in place of the tenant's space; empty: nothing does.
std::string Library::version_of(const Tenant& tenant, const std::string& model) const {
    return std::string(kSearchVersion) + " " + identity_ + " r" + std::to_string(tenant.revision) + " s" +
           std::to_string(tenant.trained_at) + "." + std::to_string(tenant.vectors ? tenant.vectors->count : 0) +
           (model.empty() ? "" : " " + model);
}

}  // namespace tidegate::content
