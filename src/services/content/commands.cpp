#include "services/content/commands.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <system_error>

#include "services/content/content.h"
#include "services/content/import.h"

namespace tidegate::content {
namespace {

constexpr Duration kReconcilePatience = std::chrono::hours(2);  // Of a statement over every entry.
constexpr std::size_t kPieceBytes = std::size_t{1} * 1024 * 1024;

/// A file, piece by piece.
Result<void> import_file(Import& import, const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail(ErrorCode::kNotFound, fmt::format("{}: {}", path, std::generic_category().message(errno)));
    std::string piece(kPieceBytes, '\0');
    Result<void> done;
    while (done) {
        const ssize_t got = ::read(fd, piece.data(), piece.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            done = fail(ErrorCode::kUnavailable, fmt::format("{}: {}", path, std::generic_category().message(errno)));
        } else if (got == 0) {
            done = import.finish();
            break;
        } else {
            done = import.add(std::string_view(piece).substr(0, static_cast<std::size_t>(got)));
        }
    }
    ::close(fd);
    return done;
}

struct ImportWords {
    std::vector<std::string> files;
    std::string tenant;
};

Result<ImportWords> read_import_words(const std::vector<std::string>& words) {
    ImportWords out;
    const bool named = !words.empty() && words[0] == "import";
    for (std::size_t i = 1; named && i < words.size(); ++i) {
        if (words[i] == "--tenant" && i + 1 < words.size()) {
            out.tenant = words[++i];
        } else if (words[i].starts_with("--")) {
            return fail(ErrorCode::kInvalidArgument, words[i] + ": content import takes FILE... and --tenant NAME");
        } else {
            out.files.push_back(words[i]);
        }
    }
    if (out.files.empty()) return fail(ErrorCode::kInvalidArgument, "content import FILE... [--tenant NAME]");
    return out;
}

}  // namespace

int run_content(const service::CommandInput& input, const ContentSettings& settings) {
    const auto words = read_import_words(input.words);
    if (!words) return service::wrong_use(words.error().message);
    const SystemClock clock;
    SystemRandom random;
    SystemDisk disk;
    if (const auto made = disk.make_directories(input.data_dir + "/content"); !made)
        return service::failed(made.error());
    auto database = database_place(settings, input.database);
    if (!database) return service::failed(database.error());
    const auto library = Library::open({.path = content_path(input.data_dir),
                                        .postgres = *std::move(database),
                                        .chunk_bytes = settings.chunk_bytes,
                                        .dimensions = settings.dimensions,
                                        .trains_itself = false},
                                       clock, random);
    if (!library) return service::failed(library.error());
    bool whole = true;
    for (const std::string& file : words->files) {
        Import import(**library, words->tenant, std::numeric_limits<std::uint64_t>::max());
        const auto done = import_file(import, file);
        const ImportReport& report = import.report();
        if (!done) {
            const std::string end = done.error().message.ends_with('.') ? " " : ". ";
            return service::failed({done.error().code, done.error().message + end + stored_so_far(report)});
        }
        fmt::print("{}: {} stored, {} updated, {} unchanged, {} refused\n", file, report.stored, report.updated,
                   report.unchanged, report.failed);
        for (const ImportFault& fault : report.faults) {
            fmt::print(stderr, "{}:{}: {} {}\n", file, fault.line, fault.error.field, fault.error.message);
        }
        whole = whole && report.failed == 0;
    }
    return whole ? 0 : 1;
}

int run_ledger(const service::CommandInput& input, const ContentSettings& settings) {
    if (input.words.size() != 1 || input.words[0] != "reconcile") return service::wrong_use("ledger reconcile");
    const SystemClock clock;
    SystemRandom random;
    const SystemDisk disk;
    auto place = database_place(settings, input.database);
    if (!place) return service::failed(place.error());
    const std::string path = ledger_path(input.data_dir);
    if (!*place && !disk.exists(path)) return service::failed({ErrorCode::kNotFound, path + ": there is no ledger"});
    if (*place) (*place)->patience = kReconcilePatience;
    const auto home = open_books(*place, input.data_dir, disk, clock);
    if (!home) return service::failed(home.error());
    const auto books = Books::open(**home, clock, random);
    if (!books) return service::failed(books.error());
    const auto found = (*books)->reconcile();
    if (!found) return service::failed(found.error());
    fmt::print("{} accounts of {} tenants, {} transfers, {} entries; they add up to {}\n", found->accounts,
               found->tenants, found->transfers, found->entries, format_sum(found->sum));
    for (const std::string& fault : found->faults) fmt::print(stderr, "{}\n", fault);
    if (found->sound()) fmt::print("every account equals its entries\n");
    return found->sound() ? 0 : 1;
}

}  // namespace tidegate::content
