#include "services/content/commands.h"

#include <fmt/core.h>

#include "services/content/content.h"
#include "services/content/import.h"

namespace tidegate::content {
namespace {

constexpr std::uint64_t kImportFileMax = 1024ULL * 1024 * 1024;

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
    const auto library = Library::open({.path = content_path(input.data_dir),
                                        .chunk_bytes = settings.chunk_bytes,
                                        .dimensions = settings.dimensions,
                                        .trains_itself = false},
                                       clock, random);
    if (!library) return service::failed(library.error());
    bool whole = true;
    for (const std::string& file : words->files) {
        const auto text = disk.read(file, kImportFileMax);
        if (!text) return service::failed(text.error());
        const auto report = import_contents(**library, words->tenant, *text, true, text->size() + 1);
        if (!report) return service::failed(report.error());
        fmt::print("{}: {} stored, {} updated, {} unchanged, {} refused\n", file, report->stored, report->updated,
                   report->unchanged, report->failed);
        for (const ImportFault& fault : report->faults) {
            fmt::print(stderr, "{}:{}: {} {}\n", file, fault.line, fault.error.field, fault.error.message);
        }
        whole = whole && report->failed == 0;
    }
    return whole ? 0 : 1;
}

int run_ledger(const service::CommandInput& input) {
    if (input.words.size() != 1 || input.words[0] != "reconcile") return service::wrong_use("ledger reconcile");
    const SystemClock clock;
    SystemRandom random;
    const SystemDisk disk;
    const std::string path = ledger_path(input.data_dir);
    if (!disk.exists(path)) return service::failed({ErrorCode::kNotFound, path + ": there is no ledger"});
    const auto books = Books::open(path, clock, random);
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
