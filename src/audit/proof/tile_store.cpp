#include "audit/proof/tile_store.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/strings.h"

namespace tidegate::audit::proof {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHashBytes = sizeof(Sha256);
constexpr std::uint64_t kFileHashes = std::uint64_t{1} << 24U;
constexpr std::string_view kSuffix = ".hashes";

std::unexpected<Error> tile_file_error(const char* what) {
    const int error = errno;
    return fail(error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
                fmt::format("a file of tiles cannot be {}: {}", what, std::strerror(error)));
}

class TileFile {
  public:
    TileFile(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
    ~TileFile() {
        if (fd_ >= 0) ::close(fd_);
    }
    TileFile(const TileFile&) = delete;
    TileFile& operator=(const TileFile&) = delete;
    explicit operator bool() const { return fd_ >= 0; }
    int get() const { return fd_; }

  private:
    const int fd_;
};

}  // namespace

struct TileStore::Level {
    std::uint64_t count = 0;              // Hashes on disk.
    std::vector<Sha256> tail;             // Those of the last, partial tile.
    std::uint64_t file_number = 0;        // The file that `file` is.
    std::shared_ptr<TileFile> file;       // Being written; sync() holds it for its own time.
    std::vector<std::uint64_t> unsynced;  // Other files written since sync().
};

TileStore::TileStore(std::string folder) : folder_(std::move(folder)) {
    for (auto& level : levels_) level = std::make_unique<Level>();
}
TileStore::~TileStore() = default;

std::string TileStore::file_name(unsigned level, std::uint64_t number) const {
    return fmt::format("{}/{}/{:06}{}", folder_, level, number, kSuffix);
}

Result<std::vector<std::uint64_t>> TileStore::files_of(unsigned level) const {
    std::vector<std::uint64_t> numbers;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(fmt::format("{}/{}", folder_, level), error)) {
        const std::string name = entry.path().filename().string();
        const auto number = name.ends_with(kSuffix)
                                ? parse_u64(std::string_view(name).substr(0, name.size() - kSuffix.size()))
                                : std::nullopt;
        if (number) numbers.push_back(*number);
    }
    if (error) return fail(ErrorCode::kUnavailable, "the folder of tiles cannot be read: " + error.message());
    return numbers;
}

Result<std::uint64_t> TileStore::count_on_disk(unsigned level) const {
    TG_TRY(const std::vector<std::uint64_t> numbers, files_of(level));
    if (numbers.empty()) return std::uint64_t{0};
    const std::uint64_t last = std::ranges::max(numbers);
    std::error_code error;
    const std::uint64_t bytes = fs::file_size(file_name(level, last), error);
    if (error) return fail(ErrorCode::kUnavailable, "a file of tiles cannot be read: " + error.message());
    return last * kFileHashes + std::min(bytes / kHashBytes, kFileHashes);
}

Result<std::unique_ptr<TileStore>> TileStore::open(std::string folder) {
    auto store = std::unique_ptr<TileStore>(new TileStore(std::move(folder)));
    std::error_code error;
    for (unsigned level = 0; level < kTileLevels; ++level) {
        fs::create_directories(fmt::format("{}/{}", store->folder_, level), error);
        if (error) return fail(ErrorCode::kUnavailable, "the folder of tiles cannot be made: " + error.message());
    }
    TG_TRY(const std::uint64_t leaves, store->count_on_disk(0));
    TG_CHECK(store->truncate(leaves));
    return store;
}

std::unique_ptr<const TileStore> TileStore::view(std::string folder, std::uint64_t size) {
    auto store = std::unique_ptr<TileStore>(new TileStore(std::move(folder)));
    store->size_.store(size, std::memory_order_release);
    return store;
}

// Brings level 0 to `size` and the others to what follows from it.
Result<void> TileStore::truncate(std::uint64_t size) {
    TG_TRY(const std::uint64_t leaves, count_on_disk(0));
    if (leaves < size) return fail(ErrorCode::kInvalidArgument, "there are not so many leaves");
    size_.store(size, std::memory_order_release);
    for (unsigned level = 0; level < kTileLevels; ++level) {
        const std::uint64_t wanted = size >> (8U * level);
        TG_TRY(const std::uint64_t there, count_on_disk(level));
        TG_CHECK(cut(level, std::min(there, wanted)));
        TG_CHECK(complete(level, wanted));
        const std::uint64_t whole = wanted / kTileWidth * kTileWidth;
        HashPath& tail = levels_[level]->tail;
        tail.clear();
        if (wanted == whole) continue;
        TG_TRY(tail, hashes_of({level, wanted / kTileWidth, static_cast<unsigned>(wanted - whole)}));
    }
    return {};
}

Result<void> TileStore::cut(unsigned level, std::uint64_t count) {
    Level& state = *levels_[level];
    {
        const Lock lock(files_mutex_);
        state.file.reset();
        state.unsynced.clear();
    }
    const std::uint64_t last = count / kFileHashes;
    std::error_code error;
    for (std::uint64_t number = last + 1; fs::exists(file_name(level, number), error); ++number) {
        fs::remove(file_name(level, number), error);
    }
    const std::string name = file_name(level, last);
    if (fs::exists(name, error)) fs::resize_file(name, count % kFileHashes * kHashBytes, error);
    if (error) return fail(ErrorCode::kUnavailable, "a file of tiles cannot be cut: " + error.message());
    state.count = count;
    return {};
}

// Adds the roots of whole tiles of the level below that a crash has kept from this one.
Result<void> TileStore::complete(unsigned level, std::uint64_t count) {
    while (levels_[level]->count < count) {
        TG_TRY(const HashPath below, hashes_of({level - 1, levels_[level]->count, kTileWidth}));
        const Sha256 root = perfect_root(below);
        TG_CHECK(write(level, {&root, 1}));
    }
    return {};
}

Result<void> TileStore::write(unsigned level, std::span<const Sha256> hashes) {
    Level& state = *levels_[level];
    while (!hashes.empty()) {
        const std::uint64_t number = state.count / kFileHashes;
        if (!state.file || state.file_number != number) {
            auto file = std::make_shared<TileFile>(file_name(level, number), O_WRONLY | O_CREAT);
            if (!*file) return tile_file_error("opened");
            const Lock lock(files_mutex_);
            if (state.file) state.unsynced.push_back(state.file_number);
            state.file = std::move(file);
            state.file_number = number;
        }
        const std::uint64_t place = state.count % kFileHashes;
        const std::size_t n = std::min<std::uint64_t>(hashes.size(), kFileHashes - place);
        const auto bytes = static_cast<ssize_t>(n * kHashBytes);
        if (::pwrite(state.file->get(), hashes.data(), n * kHashBytes, static_cast<off_t>(place * kHashBytes)) !=
            bytes) {
            return tile_file_error("written");
        }
        state.count += n;
        hashes = hashes.subspan(n);
    }
    return {};
}

Result<void> TileStore::append(std::span<const Sha256> leaves) {
    const std::uint64_t size = this->size() + leaves.size();
    if (size > kTreeSizeMax) return fail(ErrorCode::kResourceExhausted, "the tree is full");
    HashPath row(leaves.begin(), leaves.end());
    for (unsigned level = 0; level < kTileLevels && !row.empty(); ++level) {
        Level& state = *levels_[level];
        TG_CHECK(write(level, row));
        HashPath above;
        state.tail.insert(state.tail.end(), row.begin(), row.end());
        std::size_t used = 0;
        for (; state.tail.size() - used >= kTileWidth; used += kTileWidth) {
            above.push_back(perfect_root(std::span(state.tail).subspan(used, kTileWidth)));
        }
        state.tail.erase(state.tail.begin(), state.tail.begin() + static_cast<std::ptrdiff_t>(used));
        row = std::move(above);
    }
    size_.store(size, std::memory_order_release);
    return {};
}

Result<void> TileStore::sync() {
    for (unsigned level = 0; level < kTileLevels; ++level) {
        std::vector<std::uint64_t> numbers;
        std::shared_ptr<TileFile> current;
        {
            const Lock lock(files_mutex_);
            numbers = levels_[level]->unsynced;
            current = levels_[level]->file;
        }
        for (const std::uint64_t number : numbers) {
            const TileFile file(file_name(level, number), O_WRONLY);
            if (!file || ::fdatasync(file.get()) != 0) return tile_file_error("synced");
        }
        if (current && ::fdatasync(current->get()) != 0) return tile_file_error("synced");
        const Lock lock(files_mutex_);
        std::vector<std::uint64_t>& unsynced = levels_[level]->unsynced;
        unsynced.erase(unsynced.begin(), unsynced.begin() + static_cast<std::ptrdiff_t>(numbers.size()));
    }
    return {};
}

Result<void> TileStore::prune(std::uint64_t minimum_index) {
    if (size() == 0) return {};
    // The file of the last leaf stays: it says how many there are.
    const std::uint64_t keep_from = std::min(minimum_index, size() - 1) / kFileHashes;
    TG_TRY(const std::vector<std::uint64_t> numbers, files_of(0));
    for (const std::uint64_t number : numbers) {
        std::error_code error;
        if (number < keep_from) fs::remove(file_name(0, number), error);
        if (error) return fail(ErrorCode::kUnavailable, "a file of tiles cannot be removed: " + error.message());
    }
    return {};
}

Result<std::string> TileStore::read(const Tile& tile) const {
    if (tile.width == 0 || tile.width > tile_width(tile.level, tile.index, size())) {
        return fail(ErrorCode::kNotFound, "there is no such tile");
    }
    // A tile lies within one file: a file holds a whole number of tiles.
    const std::uint64_t first = tile.index * kTileWidth;
    const TileFile file(file_name(tile.level, first / kFileHashes), O_RDONLY);
    if (!file) return tile_file_error("opened");
    std::string bytes(tile.width * kHashBytes, '\0');
    const auto place = static_cast<off_t>(first % kFileHashes * kHashBytes);
    const ssize_t n = ::pread(file.get(), bytes.data(), bytes.size(), place);
    if (n < 0) return tile_file_error("read");
    if (static_cast<std::size_t>(n) != bytes.size()) return fail(ErrorCode::kNotFound, "a tile is not there yet");
    return bytes;
}

Result<HashPath> TileStore::hashes_of(const Tile& tile) const {
    TG_TRY(const std::string bytes, read(tile));
    HashPath hashes(tile.width);
    std::memcpy(hashes.data(), bytes.data(), bytes.size());
    return hashes;
}

Result<Sha256> TileStore::subtree(unsigned level, std::uint64_t index) const {
    // Level 8 L + r is the root of 2^r hashes that lie side by side in one tile of level L.
    const unsigned row = std::min(level / 8, kTileLevels - 1);
    const unsigned within = level - 8 * row;
    if (within > 8) return fail(ErrorCode::kInvalidArgument, "no tree is so high");
    const std::uint64_t first = index << within;
    const auto begin = static_cast<std::size_t>(first % kTileWidth);
    const auto width = std::size_t{1} << within;
    TG_TRY(const HashPath hashes, hashes_of({row, first / kTileWidth, static_cast<unsigned>(begin + width)}));
    return perfect_root(std::span(hashes).subspan(begin, width));
}

}  // namespace tidegate::audit::proof
