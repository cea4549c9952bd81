#include "services/content/search/evaluate.h"

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "base/strings.h"
#include "services/content/search/answer.h"

namespace tidegate::content {
namespace {

constexpr std::uint64_t kCollectionBytesMax = 512 * 1024 * 1024;
constexpr std::size_t kMeasuredDepth = 100;

std::string member_text(json::Value object, std::string_view name) {
    const auto found = object.find(name);
    return found && found->kind() == json::Kind::kString ? std::string(found->as_string()) : std::string();
}

/// Calls visit(object) for each line.
template <class Visit>
Result<void> each_json_line(const Disk& disk, const std::string& path, Visit&& visit) {
    TG_TRY(const std::string bytes, disk.read(path, kCollectionBytesMax));
    std::size_t number = 0;
    for (const std::string_view line : split(bytes, '\n')) {
        ++number;
        if (trim(line).empty()) continue;
        const auto document = json::parse(line);
        if (!document || document->root().kind() != json::Kind::kObject) {
            return fail(ErrorCode::kInvalidArgument, path + ": line " + std::to_string(number) + " is no JSON object");
        }
        visit(document->root());
    }
    return {};
}

double percentile_of(std::vector<double> sorted, double share) {
    if (sorted.empty()) return 0;
    std::ranges::sort(sorted);
    const auto at = static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1));
    return sorted[at];
}

}  // namespace

Result<std::vector<Content>> read_corpus(const Disk& disk, const std::string& folder) {
    std::vector<Content> out;
    TG_CHECK(each_json_line(disk, folder + "/corpus.jsonl", [&](json::Value line) {
        Content content;
        content.id = member_text(line, "_id");
        content.title = member_text(line, "title");
        content.body = member_text(line, "text");
        out.push_back(std::move(content));
    }));
    return out;
}

Result<std::vector<JudgedQuestion>> read_questions(const Disk& disk, const std::string& folder,
                                                   const std::string& half) {
    std::map<std::string, std::map<std::string, int, std::less<>>, std::less<>> judged;
    TG_TRY(const std::string table, disk.read(folder + "/qrels/" + half + ".tsv", kCollectionBytesMax));
    for (const std::string_view line : split(table, '\n')) {
        const auto cells = split(trim(line), '\t');
        if (cells.size() != 3) continue;
        // The head of the table has no number in its third column.
        if (const auto gain = parse_i64(cells[2]))
            judged[std::string(cells[0])][std::string(cells[1])] = static_cast<int>(*gain);
    }
    std::vector<JudgedQuestion> out;
    TG_CHECK(each_json_line(disk, folder + "/queries." + half + ".jsonl", [&](json::Value line) {
        JudgedQuestion question{.id = member_text(line, "_id"), .text = member_text(line, "text"), .gains = {}};
        const auto found = judged.find(question.id);
        if (found == judged.end()) return;
        question.gains = found->second;
        out.push_back(std::move(question));
    }));
    return out;
}

RankMeasures measure_ranking(const std::vector<std::string>& ranking, const JudgedQuestion& question) {
    RankMeasures out{.questions = 1};
    std::vector<int> ideal;
    for (const auto& [id, gain] : question.gains) {
        if (gain > 0) ideal.push_back(gain);
    }
    std::ranges::sort(ideal, std::greater<>());
    double reached = 0, possible = 0, precisions = 0;
    std::size_t found = 0;
    for (std::size_t i = 0; i < std::min(ranking.size(), kMeasuredDepth); ++i) {
        const auto gain = question.gains.find(ranking[i]);
        if (gain == question.gains.end() || gain->second <= 0) continue;
        ++found;
        precisions += static_cast<double>(found) / static_cast<double>(i + 1);
        if (i < 10) reached += gain->second / std::log2(static_cast<double>(i) + 2);
        if (i < 10 && found == 1) out.mrr_10 = 1 / static_cast<double>(i + 1);
    }
    for (std::size_t i = 0; i < std::min<std::size_t>(ideal.size(), 10); ++i) {
        possible += ideal[i] / std::log2(static_cast<double>(i) + 2);
    }
    if (ideal.empty()) return out;
    out.ndcg_10 = reached / possible;
    out.map = precisions / static_cast<double>(ideal.size());
    out.recall_100 = static_cast<double>(found) / static_cast<double>(ideal.size());
    return out;
}

Result<RankMeasures> measure_search(Library& library, std::string_view tenant,
                                    std::span<const JudgedQuestion> questions, SearchMode mode) {
    RankMeasures sum;
    for (const JudgedQuestion& question : questions) {
        TG_TRY(const SearchResult found,
               library.search(tenant, {.question = question.text, .mode = mode, .limit = kMeasuredDepth}));
        std::vector<std::string> ranking;
        for (const Hit& hit : found.hits) ranking.push_back(hit.content.id);
        const RankMeasures one = measure_ranking(ranking, question);
        sum.ndcg_10 += one.ndcg_10;
        sum.map += one.map;
        sum.recall_100 += one.recall_100;
        sum.mrr_10 += one.mrr_10;
        ++sum.questions;
    }
    const double by = sum.questions > 0 ? 1 / static_cast<double>(sum.questions) : 0;
    return RankMeasures{sum.ndcg_10 * by, sum.map * by, sum.recall_100 * by, sum.mrr_10 * by, sum.questions};
}

Result<AnswerMeasures> measure_answers(Library& library, std::string_view tenant,
                                       std::span<const JudgedQuestion> questions, std::size_t limit,
                                       const Clock& clock) {
    AnswerMeasures out;
    std::vector<double> times;
    for (const JudgedQuestion& question : questions) {
        const SteadyTime begin = clock.now();
        TG_TRY(const SearchResult found, library.search(tenant, {.question = question.text, .limit = limit}));
        const auto stems = telling_stems(found.question);
        TG_TRY(const auto rarity, library.rarity(tenant, stems));
        const Answer answer = answer_from(found, stems, rarity);
        times.push_back(std::chrono::duration<double, std::milli>(clock.now() - begin).count());
        out.supports.push_back(answer.support);
        ++out.questions;
        if (answer.citations.empty()) continue;
        ++out.answered;
        const auto gain = question.gains.find(found.hits[answer.citations.front().hit].content.id);
        if (gain != question.gains.end() && gain->second > 0) ++out.first_is_relevant;
    }
    out.p50_ms = percentile_of(times, 0.5);
    out.p99_ms = percentile_of(times, 0.99);
    return out;
}

}  // namespace tidegate::content
