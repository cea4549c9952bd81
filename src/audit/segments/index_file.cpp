#include "audit/segments/index_file.h"

#include "audit/segments/crc32c.h"

namespace tidegate::audit::segments {
namespace {

using Magic = std::array<std::uint8_t, 8>;
constexpr Magic kMagic{0xF5, 'T', 'G', 'I', 'N', 'D', 'E', 'X'};
constexpr std::uint16_t kIndexVersion = 1;
constexpr std::size_t kCrcAt = kBlockBytes - 4;
constexpr std::size_t kNamesAt = 96;
constexpr std::uint32_t kKeysAPage = kBlockBytes / 8;
constexpr std::uint32_t kNumbersAPage = kBlockBytes / 4;

constexpr std::uint64_t pages_for(std::uint64_t bytes) {
    return (bytes + kBlockBytes - 1) / kBlockBytes;
}

// The arrays in order: offsets, checks, then keys and records three times.
constexpr bool is_keys(std::size_t array) {
    return array >= 2 && array % 2 == 0;
}

// First page of each of the eight arrays, and the number of all of them.
std::array<std::uint64_t, 9> array_layout(std::uint64_t records) {
    std::array<std::uint64_t, 9> first{};
    for (std::size_t array = 0; array < 8; ++array) {
        first[array + 1] = first[array] + pages_for(records * (is_keys(array) ? 8 : 4));
    }
    return first;
}

std::unexpected<Error> damaged(const std::string& name) {
    return fail(ErrorCode::kDataLoss, "the index " + name + " of the record is damaged");
}

void put_names(std::uint8_t* page, std::size_t which, const NameSet& names) {
    page[92 + which] = names.size();
    for (std::size_t i = 0; i < NameSet::kNamesMax; ++i) {
        // What an overflowed set held last says nothing.
        const std::uint64_t hash = names.size() <= NameSet::kNamesMax ? names.hashes()[i] : 0;
        put(page + kNamesAt + (which * NameSet::kNamesMax + i) * 8, hash);
    }
}

NameSet get_names(const std::uint8_t* page, std::size_t which) {
    std::array<std::uint64_t, NameSet::kNamesMax> hashes;
    for (std::size_t i = 0; i < hashes.size(); ++i) {
        hashes[i] = get<std::uint64_t>(page + kNamesAt + (which * NameSet::kNamesMax + i) * 8);
    }
    return NameSet::restore(page[92 + which], hashes);
}

void put_header(std::uint8_t* page, const SegmentHeader& segment, const ZoneMap& zone, std::uint32_t records) {
    std::memcpy(page, kMagic.data(), kMagic.size());
    put(page + 8, kIndexVersion);
    put(page + 10, zone.statuses);
    put(page + 12, records);
    std::memcpy(page + 16, segment.log_id.data(), segment.log_id.size());
    put(page + 32, segment.generation);
    put(page + 40, segment.first_leaf);
    put(page + 48, zone.time_min);
    put(page + 56, zone.time_max);
    put(page + 64, zone.recorded_min);
    put(page + 72, zone.recorded_max);
    put(page + 80, get<std::uint64_t>(segment.log_id.data()));
    put_names(page, 0, zone.services);
    put_names(page, 1, zone.tenants);
    put_names(page, 2, zone.models);
}

void put_arrays(std::uint8_t* arrays, const LiveKeys& keys, const std::array<std::uint64_t, 9>& first) {
    const std::uint32_t count = keys.count();
    const auto array_at = [&](std::size_t array) { return arrays + first[array] * kBlockBytes; };
    for (std::uint32_t i = 0; i < count; ++i) {
        const RecordPlace place = keys.place(i);
        put(array_at(0) + std::size_t{i} * 4, place.offset);
        put(array_at(1) + std::size_t{i} * 4, place.check);
    }
    std::vector<KeyRow> rows(count);
    std::vector<KeyRow> spare;
    for (std::size_t run = 0; run < kRuns; ++run) {
        for (std::uint32_t i = 0; i < count; ++i) rows[i] = {keys.key(static_cast<Run>(run), i), i};
        sort_by_key(rows, spare);
        std::uint8_t* key_at = array_at(2 + 2 * run);
        std::uint8_t* record_at = array_at(3 + 2 * run);
        for (std::uint32_t i = 0; i < count; ++i) {
            put(key_at + std::size_t{i} * 8, rows[i].key);
            put(record_at + std::size_t{i} * 4, rows[i].record);
        }
    }
}

}  // namespace

Result<void> IndexFile::write(LogFolder& folder, const SegmentHeader& segment, const LiveKeys& keys) {
    const std::uint32_t count = keys.count();
    const auto first = array_layout(count);
    const std::uint64_t pages = first.back();
    const std::uint64_t checksum_pages = pages_for(pages * 4);
    std::string file((1 + checksum_pages + pages) * kBlockBytes, '\0');
    auto* const bytes = reinterpret_cast<std::uint8_t*>(file.data());
    std::uint8_t* const checksums = bytes + kBlockBytes;
    std::uint8_t* const arrays = checksums + checksum_pages * kBlockBytes;
    put_arrays(arrays, keys, first);
    for (std::uint64_t page = 0; page < pages; ++page) {
        put(checksums + page * 4, crc32c({arrays + page * kBlockBytes, kBlockBytes}));
    }
    put_header(bytes, segment, keys.zone(), count);
    put(bytes + 88, crc32c({checksums, checksum_pages * kBlockBytes}));
    put(bytes + kCrcAt, crc32c({bytes, kCrcAt}));
    return folder.write_whole(index_name(segment.generation), file);
}

Result<std::shared_ptr<const IndexFile>> IndexFile::open(const LogFolder& folder, const SegmentHeader& segment,
                                                         bool keep_open) {
    std::shared_ptr<IndexFile> index(new IndexFile());
    index->folder_ = &folder;
    index->name_ = index_name(segment.generation);
    TG_TRY(auto file, folder.open_read(index->name_));
    TG_CHECK(index->load(*file, segment));
    if (keep_open) index->kept_open_ = std::move(file);
    return index;
}

Result<void> IndexFile::load(const LogFile& file, const SegmentHeader& segment) {
    Page page;
    TG_TRY(const std::size_t got, file.read(0, page));
    if (got != page.size()) return damaged(name_);
    TG_CHECK(load_header(page, segment));
    array_pages_ = array_layout(count_);
    const std::uint64_t pages = array_pages_.back();
    const std::uint64_t checksum_bytes = pages_for(pages * 4) * kBlockBytes;
    arrays_at_ = kBlockBytes + checksum_bytes;
    std::vector<std::uint8_t> bytes(checksum_bytes);
    TG_TRY(const std::size_t read, file.read(kBlockBytes, bytes));
    TG_TRY(const std::uint64_t size, file.size());
    if (read != bytes.size() || size != arrays_at_ + pages * kBlockBytes) return damaged(name_);
    if (crc32c(bytes) != get<std::uint32_t>(page.data() + 88)) return damaged(name_);
    checksums_.resize(pages);
    for (std::size_t i = 0; i < pages; ++i) checksums_[i] = get<std::uint32_t>(bytes.data() + i * 4);
    return {};
}

Result<void> IndexFile::load_header(const Page& page, const SegmentHeader& segment) {
    const std::uint8_t* at = page.data();
    const bool ours =
        std::memcmp(at, kMagic.data(), kMagic.size()) == 0 && get<std::uint16_t>(at + 8) == kIndexVersion &&
        get<std::uint32_t>(at + kCrcAt) == crc32c(Bytes(page).first(kCrcAt)) &&
        std::memcmp(at + 16, segment.log_id.data(), segment.log_id.size()) == 0 &&
        get<std::uint64_t>(at + 32) == segment.generation && get<std::uint64_t>(at + 40) == segment.first_leaf;
    count_ = get<std::uint32_t>(at + 12);
    if (!ours || count_ > kSegmentRecordsMax) return damaged(name_);
    zone_.records = count_;
    zone_.statuses = get<std::uint16_t>(at + 10);
    zone_.time_min = get<std::int64_t>(at + 48);
    zone_.time_max = get<std::int64_t>(at + 56);
    zone_.recorded_min = get<std::int64_t>(at + 64);
    zone_.recorded_max = get<std::int64_t>(at + 72);
    zone_.services = get_names(at, 0);
    zone_.tenants = get_names(at, 1);
    zone_.models = get_names(at, 2);
    return {};
}

Result<std::shared_ptr<const LogFile>> IndexFile::file() const {
    if (kept_open_ != nullptr) return kept_open_;
    TG_TRY(auto file, folder_->open_read(name_));
    return std::shared_ptr<const LogFile>(std::move(file));
}

Result<void> IndexFile::read_page(const LogFile& file, std::size_t array, std::uint64_t page, Page& out) const {
    const std::uint64_t number = array_pages_[array] + page;
    TG_TRY(const std::size_t got, file.read(arrays_at_ + number * kBlockBytes, out));
    if (got != out.size() || crc32c(out) != checksums_[number]) return damaged(name_);
    return {};
}

Result<std::uint32_t> IndexFile::number_at(const LogFile& file, std::size_t array, std::uint32_t position) const {
    Page page;
    TG_CHECK(read_page(file, array, position / kNumbersAPage, page));
    return get<std::uint32_t>(page.data() + std::size_t{position % kNumbersAPage} * 4);
}

// The position of the first key above `key`.
Result<std::uint32_t> IndexFile::upper_bound(const LogFile& file, std::size_t array, std::uint64_t key, Page& page,
                                             std::uint64_t& loaded) const {
    // The answer lies in a page of [low, high], or at its end.
    std::uint64_t low = 0;
    std::uint64_t high = array_pages_[array + 1] - array_pages_[array];
    // key / 2^64 of the way, without 128 bits: the top 32 bits of the key are exact enough for 2^20 records.
    std::uint64_t guess = ((key >> 32U) * count_ >> 32U) / kKeysAPage;
    for (unsigned probes = 0; low < high; ++probes) {
        const std::uint64_t probe = std::clamp(guess, low, high - 1);
        TG_CHECK(read_page(file, array, probe, page));
        loaded = probe;
        const auto base = static_cast<std::uint32_t>(probe * kKeysAPage);
        const std::uint32_t size = std::min(kKeysAPage, count_ - base);
        const auto at = [&](std::uint32_t i) { return get<std::uint64_t>(page.data() + std::size_t{i} * 8); };
        if (at(size - 1) <= key) {
            low = probe + 1;
            guess = probe + 1;
        } else if (at(0) > key) {
            high = probe;
            guess = probe == 0 ? 0 : probe - 1;
        } else {
            std::uint32_t first = 0;
            for (std::uint32_t end = size; first < end;) {
                const std::uint32_t middle = first + (end - first) / 2;
                (at(middle) <= key ? first : end) = at(middle) <= key ? middle + 1 : middle;
            }
            return base + first;
        }
        // The neighbour is enough where keys are spread evenly; where they are not, bisect.
        if (probes >= 2) guess = low + (high - low) / 2;
    }
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(low * kKeysAPage, count_));
}

Result<void> IndexFile::find(Run run, std::uint64_t key, std::size_t limit, std::vector<std::uint32_t>& out) const {
    const std::size_t keys = 2 + 2 * static_cast<std::size_t>(run);
    TG_TRY(const auto file, this->file());
    Page page;
    std::uint64_t loaded = ~std::uint64_t{0};
    TG_TRY(std::uint32_t position, upper_bound(*file, keys, key, page, loaded));
    for (std::size_t found = 0; found < limit && position-- > 0; ++found) {
        if (const std::uint64_t wanted = position / kKeysAPage; wanted != loaded) {
            TG_CHECK(read_page(*file, keys, wanted, page));
            loaded = wanted;
        }
        if (get<std::uint64_t>(page.data() + std::size_t{position % kKeysAPage} * 8) != key) break;
        TG_TRY(const std::uint32_t record, number_at(*file, keys + 1, position));
        if (record >= count_) return damaged(name_);
        out.push_back(record);
    }
    return {};
}

Result<RecordPlace> IndexFile::place(std::uint32_t record) const {
    TG_TRY(const auto file, this->file());
    RecordPlace place;
    TG_TRY(place.offset, number_at(*file, 0, record));
    TG_TRY(place.check, number_at(*file, 1, record));
    return place;
}

Result<std::vector<RecordPlace>> IndexFile::places(std::span<const std::uint32_t> records) const {
    TG_TRY(const auto file, this->file());
    std::vector<RecordPlace> places(records.size());
    Page page;
    const auto fill = [&](std::size_t array, std::uint32_t RecordPlace::* number) -> Result<void> {
        std::optional<std::uint64_t> loaded;
        for (std::size_t i = 0; i < records.size(); ++i) {
            const std::uint64_t wanted = records[i] / kNumbersAPage;
            if (loaded != wanted) TG_CHECK(read_page(*file, array, wanted, page));
            loaded = wanted;
            places[i].*number = get<std::uint32_t>(page.data() + std::size_t{records[i] % kNumbersAPage} * 4);
        }
        return {};
    };
    TG_CHECK(fill(0, &RecordPlace::offset));
    TG_CHECK(fill(1, &RecordPlace::check));
    return places;
}

}  // namespace tidegate::audit::segments
