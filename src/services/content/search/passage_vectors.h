// PassageVectors: the vectors that a model makes of every tenant's passages, made in the background, and of the questions that meet them.
//
// Position    Beside the library's own spaces (lsa.h): the library asks here first, where content.vectors_model names a model.
// Guarantee   A question meets vectors of the very version that made its own. Where that cannot be, it gets none, and the reason.
// Algorithm   Each passage by itself, the tenants by turns, kBatch passages to a commit; an exact scan at the question. The model answers for a
//             tenant once it has kCoveredPart of its passages; those without a vector are found by their words alone.
// Memory      Of each passage 4 bytes a number and 24, chunks_max of them a tenant.
// Threads     A thread of its own makes vectors; the rest any that may wait.
// When it fails  The model does not serve, or gives no answer to anything: what is made stays, and it tries again each second. A tenant whose
//             passages fail keeps that to itself: the others go on. A passage that fails kTriesMax times while the model answers otherwise
//             stays without a vector. A question that fails tells its asker alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "observe/log.h"
#include "services/content/search/embedder.h"
#include "services/content/search/vector_set.h"
#include "services/content/search/vector_store.h"

namespace tidegate::content {

struct PassageVectorsOptions {
    std::string path;  // Of vectors.db.
    Embedder* embedder = nullptr;
    std::size_t chunks_max = 100'000;
    bool makes_itself = true;  // False: make_all() alone, for tests and evaluations.
    std::function<void()> on_change{};
    observe::Logger* log = nullptr;
};

/// Of a question: vectors to meet and its own, or none of both. `note`: what the asker must know, empty: nothing.
struct VectorQuestion {
    std::shared_ptr<const VectorSet> set;
    std::vector<float> row;
    std::string answering;  // As PassageVectors::answering() was.
    std::string note;
};

struct VectorState {
    std::string model, version, reason;  // `reason`: why it does not serve, or makes none of this tenant's passages.
    bool serves = false, answers = false;
    std::uint64_t done = 0, passages = 0;  // Passages that have been seen to, and all that are to be.
};

class PassageVectors {
  public:
    using OpenShelf = std::function<Result<std::unique_ptr<Shelf>>()>;
    static constexpr std::size_t kBatch = 32;
    static constexpr std::uint64_t kCoveredPercent = 90;
    static constexpr std::uint32_t kTriesMax = 3;  // Of one passage.

    /// `identity`: of the texts.
    static Result<std::unique_ptr<PassageVectors>> open(PassageVectorsOptions options, OpenShelf open_shelf,
                                                        std::string_view identity, const Clock& clock);
    ~PassageVectors();
    void stop();
    /// There may be something to make.
    void wake();
    /// On this thread, until nothing is left; only where it does not make them itself.
    Result<void> make_all();

    VectorQuestion ask(TenantId tenant, std::string_view question);
    /// Model, version and count of what would answer now; empty: the model would not.
    std::string answering(TenantId tenant) const;
    VectorState state_of(TenantId tenant) const;
    std::string_view model() const noexcept { return options_.embedder->name(); }
    /// Why the model does not serve; empty: it does.
    std::string trouble() const;
    std::uint64_t made() const noexcept { return made_.load(); }
    /// Passages that failed kTriesMax times and stay without a vector; made() holds them too.
    std::uint64_t given_up() const noexcept { return given_up_.load(); }

  private:
    /// What searches see of a tenant.
    struct Shown {
        std::shared_ptr<const VectorSet> set;
        std::uint64_t done = 0;      // Passages with a vector, and those that the model makes none of.
        std::uint64_t passages = 0;  // That are to have one.
        std::string trouble{};       // Why none could be made of this tenant's at last.
        bool covered() const noexcept { return done > 0 && done * 100 >= passages * kCoveredPercent; }
    };
    /// What the maker knows of a tenant.
    struct Work {
        bool loaded = false;
        std::int64_t revision = -1;
        ChunkId after = 0;
        std::vector<ChunkId> done;  // Rising.
        ChunkId failing = 0;        // The passage at which it stopped last, and how often in a row.
        std::uint32_t failures = 0;
    };
    /// What came of a turn. `failed`: of some tenant, while the model serves.
    struct Turn {
        bool more = false;
        std::uint64_t made = 0;
        std::optional<Error> failed{};
    };
    struct Followed {
        bool more = false;
        std::uint64_t made = 0;
        std::optional<Error> failed{};  // The model's, at a passage.
    };
    struct Passages {
        std::vector<StoredVector> wanted;
        std::vector<std::string> texts;
    };

    PassageVectors(PassageVectorsOptions options, OpenShelf open_shelf)
        : options_(std::move(options)), open_shelf_(std::move(open_shelf)) {}
    void run();
    /// An error: for all tenants.
    Result<Turn> turn(Shelf& shelf);
    Result<void> begin_turn();
    Result<void> look_at_failures(const Turn& turn, std::size_t tenants, std::size_t unreadable);
    Result<Followed> follow(Shelf& shelf, const Shelf::TenantState& tenant);
    Result<void> load(TenantId tenant, Work& work);
    Result<void> match(Shelf& shelf, const Shelf::TenantState& tenant, Work& work);
    Result<Passages> next_passages(Shelf& shelf, TenantId tenant, const Work& work) const;
    Result<void> make(Passages& passages, Work& work, std::size_t& made);
    /// As the embedder, in rows of one length.
    Result<EmbeddedText> vector_of(std::string_view text, Duration patience);
    Result<void> check_length(std::size_t columns, std::string_view whose);
    bool gives_up(Work& work, ChunkId chunk, const Error& error);
    void drop(TenantId tenant, std::span<const ChunkId> gone, Work& work);
    void replace_set(TenantId tenant, std::shared_ptr<const VectorSet> set, std::uint64_t done);
    void set_trouble_of(TenantId tenant, std::string reason);
    void show(TenantId tenant, std::span<const StoredVector> fresh, std::uint64_t done);
    void set_trouble(std::string reason);
    bool stopping() const;
    std::string answering(const Shown& shown) const TG_REQUIRES(mutex_);

    const PassageVectorsOptions options_;
    const OpenShelf open_shelf_;

    // The maker's.
    std::unique_ptr<VectorStore> store_;
    std::map<TenantId, Work> work_;
    std::size_t columns_ = 0;  // Of every row of this version; 0: none was seen yet.

    mutable Mutex mutex_;
    std::map<TenantId, Shown> shown_ TG_GUARDED_BY(mutex_);
    std::string version_ TG_GUARDED_BY(mutex_);
    std::string trouble_ TG_GUARDED_BY(mutex_) = "it was not asked yet";
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    bool woken_ TG_GUARDED_BY(mutex_) = false;
    Condition wake_;
    std::atomic<std::uint64_t> made_{0}, given_up_{0};
    std::thread maker_;
};

}  // namespace tidegate::content
