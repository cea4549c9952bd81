// Library: what a tenant knows and how it is found: contents on the shelf, words in the index, meanings in a space of its own.
//
// Position    Above Shelf (content.db or PostgreSQL), SearchIndex and LsaSpace; below the routes.
// Guarantee   A write that was acknowledged is found by its words by the next search. Its meaning is folded into the tenant's space in the
//             same call; a thread of the library trains the space anew when a tenth of it has changed. Contents that another process wrote
//             (tidegate content import, another server) are taken up within kLookEvery, also while a tenant is trained.
// Algorithm   Hybrid score: bm25 / best bm25 + kMeaningWeight * cosine, the best chunk of a content; docs/content.md has what was measured.
//             The cosine is that of the model, where one is set up and has vectors (passage_vectors.h), else of the tenant's space; never of both.
// Memory      Of each chunk dimensions x 4 + 16 bytes, chunks_max of them a tenant; later ones are found by their words alone.
// Threads     Any.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/random.h"
#include "observe/log.h"
#include "services/content/search/lsa.h"
#include "services/content/search/passage_vectors.h"
#include "services/content/search/postgres_texts.h"
#include "services/content/search/shelf.h"

namespace tidegate::content {

/// Of the cosine against BM25's 1. Tuned on the dev halves of SciFact (best at 0.3 to 0.4, falls below its gate behind 0.8) and Cranfield
/// (rises up to 4): the one value at which both hold.
inline constexpr double kMeaningWeight = 0.7;
/// The same of a model's cosine, see docs/content.md.
inline constexpr double kModelWeight = 1.0;
inline constexpr std::string_view kOwnSpace = "latent_semantic";
/// Of the way from question to answer.
inline constexpr std::string_view kSearchVersion = "search-1";
inline constexpr Duration kLookEvery = std::chrono::seconds(1);

struct LibraryOptions {
    std::string path;                            // Of content.db.
    std::optional<PostgresPlace> postgres = {};  // Texts are there instead.
    std::uint32_t chunk_bytes = 2000;
    std::size_t dimensions = 256;       // 0: no spaces.
    std::size_t chunks_max = 100'000;   // In a tenant's space.
    bool trains_itself = true;          // False: train() alone, for tests and evaluations.
    std::function<void()> on_change{};  // After a write of any process; any thread.
    observe::Logger* log = nullptr;     // Null: nobody is told of what fails in the background.
    Embedder* embedder = nullptr;       // Null: meanings are those of the tenant's own space. Outlives the library.
    std::string vectors_path = {};      // With an embedder: of vectors.db.
};

enum class SearchMode : std::uint8_t { kHybrid, kDense, kLexical };
std::string_view to_string(SearchMode mode) noexcept;
std::optional<SearchMode> search_mode_of(std::string_view text) noexcept;

struct SearchAsk {
    std::string question;
    SearchMode mode = SearchMode::kHybrid;
    SearchFilter filter{};
    std::size_t limit = 10;
};

struct Hit {
    Content content;                    // Its body: the chunk that was found.
    double score = 0;                   // 0 to 1 within one question.
    double lexical = 0;                 // bm25 / best bm25.
    std::optional<double> cosine;       // Of the chunk in the space; absent: it is not there.
    Span passage;                       // All of the body.
    std::size_t characters_before = 0;  // Of the whole text, before the chunk.
};

struct SearchResult {
    std::vector<Hit> hits;
    SearchMode mode = SearchMode::kLexical;  // What it came to: lexical while there is no space.
    std::vector<Word> question;
    std::shared_ptr<const LsaSpace> space;  // Null: there is none.
    std::string meaning;                    // Whose: kOwnSpace or the name of a model; empty: it went by words.
    double meaning_weight = kMeaningWeight;
    std::string note;     // Why it was not the model that was set up, or what it does not know; empty: nothing.
    std::string version;  // As version_of() was when the search began.
};

struct PutResult {
    std::string id;
    Result<PutOutcome> outcome = PutOutcome::kUnchanged;
};

struct SpaceState {
    std::size_t chunks = 0, words = 0, dimensions = 0;
    std::size_t texts = 0;      // Chunks that it was learnt from: fewer than there are where they hold too many words.
    std::uint64_t changed = 0;  // Chunks since it was trained.
    bool trained = false;
};

class Library {
  public:
    static Result<std::unique_ptr<Library>> open(LibraryOptions options, const Clock& clock, Random& random);
    ~Library();

    /// One transaction: an outcome each, or an error for all. Contents need a title or a body.
    Result<std::vector<PutResult>> put(std::string_view tenant, std::vector<Content> contents);
    Result<bool> remove(std::string_view tenant, std::string_view id);
    Result<std::optional<Content>> find(std::string_view tenant, std::string_view id);
    Result<ContentPage> page(std::string_view tenant, const SearchFilter& filter, RowId before, std::size_t limit);
    Result<std::int64_t> count(std::string_view tenant);

    Result<SearchResult> search(std::string_view tenant, const SearchAsk& ask);
    /// ln(1 + chunks / (1 + chunks with it)) of each stem.
    Result<std::vector<double>> rarity(std::string_view tenant, const std::vector<std::string>& stems);

    /// Trains the tenant's space now, on this thread. False: too few texts for one.
    Result<bool> train(std::string_view tenant);
    /// Has enough changed for the library's thread to train it?
    bool wants_training(std::string_view tenant) const { return wants_training(known(tenant)); }
    SpaceState space_of(std::string_view tenant) const;
    /// Another one whenever an answer may be another: after a write, after a training.
    std::string version_of(std::string_view tenant) const;
    /// Why the database of the texts does not answer; nothing: it did when it was asked last.
    std::optional<StoreWatch::Trouble> store_trouble() const { return postgres_ ? postgres_->trouble() : std::nullopt; }
    std::uint64_t trainings() const noexcept { return trainings_.load(); }
    /// Null: no model was set up.
    PassageVectors* vectors() const noexcept { return passages_.get(); }
    /// Nothing: no model was set up.
    std::optional<VectorState> vectors_of(std::string_view tenant) const;
    void stop();

  private:
    struct Vectors : VectorSet {
        std::shared_ptr<const LsaSpace> space;
    };
    /// Whose vectors a question meets, and its own among them; none: it goes by words.
    struct Meaning {
        std::shared_ptr<const VectorSet> set;
        std::vector<float> place;
    };
    struct Tenant {
        TenantId id = 0;
        std::int64_t revision = 0;    // Of the shelf.
        std::int64_t trained_at = 0;  // The revision whose texts made the space.
        ChunkId last_chunk = 0;       // All up to it are known here.
        bool behind = false;          // Those of this revision could not be folded in; it is tried again.
        std::uint64_t changed = 0;
        std::uint64_t total = 0;
        std::shared_ptr<const Vectors> vectors;
    };
    /// A connection for the length of one question. As many as ask at once, of PostgreSQL's kPostgresReadersMax: a server takes some 100, for
    /// everybody. Who finds none waits.
    static constexpr std::size_t kPostgresReadersMax = 8;
    class Borrowed {
      public:
        static Result<Borrowed> take(Library& library);
        Borrowed(Borrowed&& other) noexcept = default;
        Borrowed& operator=(Borrowed&&) = delete;
        ~Borrowed();
        Shelf* operator->() const noexcept { return shelf_.get(); }
        Shelf& operator*() const noexcept { return *shelf_; }

      private:
        Borrowed(Library& library, std::unique_ptr<Shelf> shelf) : library_(&library), shelf_(std::move(shelf)) {}
        Library* library_;
        std::unique_ptr<Shelf> shelf_;
    };
    /// A chunk on its way into the hits.
    struct Candidate {
        ChunkId chunk = 0;
        RowId content = 0;  // 0: not looked up yet.
        double lexical = 0;
        std::optional<double> cosine{};
    };

    Library(LibraryOptions options, const Clock& clock, Random& random)
        : options_(std::move(options)), clock_(clock), random_(random) {}
    Result<std::unique_ptr<Shelf>> open_shelf() const;
    Result<std::unique_ptr<Shelf>> borrow();
    void give_back(std::unique_ptr<Shelf> shelf);
    Result<PutResult> put_one(TenantId tenant, Content& content) TG_REQUIRES(write_mutex_);
    struct Placed {
        std::vector<std::shared_ptr<VectorBlock>> blocks;
        std::size_t count = 0;    // In them.
        std::uint64_t total = 0;  // With those behind `room`.
        ChunkId last = 0;
    };
    static void fold_in(const LsaSpace& space, const Chunk& chunk, std::string_view text,
                        std::vector<std::shared_ptr<VectorBlock>>& blocks);
    /// The chunks behind `after`, the first `room` of them in the space.
    Result<Placed> place_all(Shelf& shelf, TenantId tenant, ChunkId after, const LsaSpace* space, std::size_t room,
                             const std::function<bool()>& stopped);
    /// Null: the texts give none.
    Result<std::shared_ptr<const LsaSpace>> learn(Shelf& shelf, TenantId tenant, const std::function<bool()>& stopped);
    Result<bool> train_tenant(Shelf& shelf, const Shelf::TenantState& state);
    /// Takes up the revision, also where it fails, and folds in the chunks behind those that are known: of this process' writes and of
    /// others'.
    Result<void> catch_up(Shelf& shelf, const Shelf::TenantState& state) TG_REQUIRES(write_mutex_);
    Result<void> fold_behind(Shelf& shelf, const Shelf::TenantState& state) TG_REQUIRES(write_mutex_);
    void look_again(Shelf& shelf, const Shelf::TenantState& seen);
    /// All tenants, no more often than kLookEvery: a training may take minutes, and what others have taken out must not be answered from.
    void look_while_training(Shelf& shelf, std::optional<SteadyTime>& last);
    using SeenRevisions = std::map<std::string, std::int64_t, std::less<>>;
    void trainer_turn(Shelf& shelf, SeenRevisions& seen);
    void run_trainer();
    void tell(std::string_view event, const Error& error) const;
    std::string version_of(const Tenant& tenant, const std::string& model) const;
    Meaning meaning_of(const Tenant& now, TenantId id, const SearchAsk& ask, SearchResult& out);
    static double score_of(const Candidate& one, const SearchResult& search) noexcept;
    /// Gives those of the index their cosine, and adds the nearest of the others.
    static void add_near(const VectorSet& vectors, const std::vector<float>& place, const std::vector<ChunkId>* allowed,
                         std::vector<Candidate>& candidates);
    static void add_hit(const Candidate& one, std::optional<Passage>& passage, std::set<RowId>& given,
                        SearchResult& out);
    Result<void> choose_hits(Shelf& shelf, TenantId id, std::vector<Candidate> candidates, std::size_t limit,
                             SearchResult& out);
    bool wants_training(const Tenant& tenant) const;
    Tenant known(std::string_view tenant) const;
    bool stopping() const;

    const LibraryOptions options_;
    const Clock& clock_;
    Random& random_;
    std::unique_ptr<PostgresTexts> postgres_;  // Null: texts are in content.db. Set by open().
    std::string identity_;                     // Of the texts' database; set by open().
    Mutex write_mutex_;
    std::unique_ptr<Shelf> writer_ TG_GUARDED_BY(write_mutex_);
    Mutex readers_mutex_;
    Condition returned_;
    std::vector<std::unique_ptr<Shelf>> readers_ TG_GUARDED_BY(readers_mutex_);
    std::size_t lent_ TG_GUARDED_BY(readers_mutex_) = 0;
    mutable Mutex mutex_;
    std::map<std::string, Tenant, std::less<>> tenants_ TG_GUARDED_BY(mutex_);
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    Condition wake_;
    std::atomic<std::uint64_t> trainings_{0};
    std::unique_ptr<PassageVectors> passages_;  // Null: without an embedder. Set by open().
    std::thread trainer_;
};

}  // namespace tidegate::content
