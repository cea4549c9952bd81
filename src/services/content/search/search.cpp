// Library: from a question to its hits.
#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>

#include "services/content/search/library.h"

namespace tidegate::content {
namespace {

// Chunks that either side brings: a content may have several, and both lists must reach behind the largest page (100).
constexpr std::size_t kCandidates = 400;
constexpr std::size_t kQuestionWordsMax = 64;

/// The words of a question as FTS5 is asked for them: each stem once, none that tells nothing.
std::vector<std::string> asked_words(std::string_view question, const std::vector<Word>& words) {
    std::vector<std::string> out;
    std::set<std::string_view> seen;
    for (const bool with_stop_words : {false, true}) {
        for (const Word& word : words) {
            if (word.stop != with_stop_words || out.size() == kQuestionWordsMax) continue;
            if (seen.insert(word.stem).second) out.emplace_back(word.place.of(question));
        }
        if (!out.empty()) return out;  // `to be or not to be` has nothing else.
    }
    return out;
}

struct RowScore {
    float cosine;
    std::uint32_t block, row;
};

}  // namespace

Result<std::vector<double>> Library::rarity(std::string_view tenant, const std::vector<std::string>& stems) {
    TG_TRY(const Borrowed shelf, Borrowed::take(*this));
    TG_TRY(const TenantId id, shelf->tenant(tenant));
    if (id == 0) return std::vector<double>(stems.size(), 0.0);
    std::int64_t chunks = static_cast<std::int64_t>(known(tenant).total);
    if (chunks == 0) {
        TG_TRY(chunks, shelf->count_chunks(id));
    }
    std::vector<double> out;
    TG_TRY(const auto frequencies, shelf->index().frequencies(id, stems));
    for (const std::uint64_t with : frequencies) {
        out.push_back(std::log1p(static_cast<double>(chunks) / (1 + static_cast<double>(with))));
    }
    return out;
}

double Library::score_of(const Candidate& one, const SearchResult& search) noexcept {
    switch (search.mode) {
        case SearchMode::kLexical:
            return one.lexical;
        case SearchMode::kDense:
            return std::max(0.0, one.cosine.value_or(0));
        case SearchMode::kHybrid:
            break;
    }
    const double weight = search.meaning_weight;
    return std::max(0.0, (one.lexical + weight * one.cosine.value_or(0)) / (1 + weight));
}

void Library::add_near(const VectorSet& vectors, const std::vector<float>& place, const std::vector<ChunkId>* allowed,
                       std::vector<Candidate>& candidates) {
    std::unordered_map<ChunkId, std::size_t> at;
    for (std::size_t i = 0; i < candidates.size(); ++i) at.emplace(candidates[i].chunk, i);
    std::vector<RowScore> rows;
    rows.reserve(vectors.count);
    for (std::uint32_t b = 0; b < vectors.blocks.size(); ++b) {
        const VectorBlock& block = *vectors.blocks[b];
        for (std::uint32_t row = 0; row < block.chunks.size(); ++row) {
            const ChunkId chunk = block.chunks[row];
            const float cosine = dot_of(place.data(), block.rows.row(row), place.size());
            const auto found = at.find(chunk);
            if (found != at.end()) {
                candidates[found->second].cosine = static_cast<double>(cosine);
                candidates[found->second].content = block.contents[row];
            } else if (allowed == nullptr || std::ranges::binary_search(*allowed, chunk)) {
                rows.push_back({cosine, b, row});
            }
        }
    }
    const auto kept = static_cast<std::ptrdiff_t>(std::min(kCandidates, rows.size()));
    std::ranges::partial_sort(rows, rows.begin() + kept, [](const RowScore& a, const RowScore& b) {
        return a.cosine != b.cosine ? a.cosine > b.cosine : std::pair(a.block, a.row) < std::pair(b.block, b.row);
    });
    rows.resize(static_cast<std::size_t>(kept));
    for (const RowScore& one : rows) {
        const VectorBlock& block = *vectors.blocks[one.block];
        candidates.push_back({.chunk = block.chunks[one.row],
                              .content = block.contents[one.row],
                              .cosine = static_cast<double>(one.cosine)});
    }
}

// A space may know chunks that were replaced since.
void Library::add_hit(const Candidate& one, std::optional<Passage>& passage, std::set<RowId>& given,
                      SearchResult& out) {
    if (!passage || !given.insert(passage->content.row).second) return;
    const auto bytes = static_cast<std::uint32_t>(passage->content.body.size());
    out.hits.push_back({.content = std::move(passage->content),
                        .score = score_of(one, out),
                        .lexical = one.lexical,
                        .cosine = one.cosine,
                        .passage = {0, bytes},
                        .characters_before = passage->characters_before});
}

Result<void> Library::choose_hits(Shelf& shelf, TenantId id, std::vector<Candidate> candidates, std::size_t limit,
                                  SearchResult& out) {
    std::ranges::sort(candidates, [&](const Candidate& a, const Candidate& b) {
        const double left = score_of(a, out), right = score_of(b, out);
        return left != right ? left > right : a.chunk < b.chunk;
    });
    std::erase_if(candidates, [&](const Candidate& one) { return score_of(one, out) <= 0; });
    std::set<RowId> given;
    // As many at once as are missing: a question to a database on another machine costs its way there.
    for (std::size_t at = 0; at < candidates.size() && out.hits.size() < limit;) {
        std::vector<ChunkId> asked;
        std::vector<const Candidate*> whose;
        for (; at < candidates.size() && asked.size() < limit - out.hits.size(); ++at) {
            if (given.contains(candidates[at].content)) continue;
            asked.push_back(candidates[at].chunk);
            whose.push_back(&candidates[at]);
        }
        TG_TRY(auto passages, shelf.passages(id, asked));
        for (std::size_t i = 0; i < passages.size(); ++i) add_hit(*whose[i], passages[i], given, out);
    }
    return {};
}

/// Before the moment of the search begins: a model may take its time.
Library::Meaning Library::meaning_of(const Tenant& now, TenantId id, const SearchAsk& ask, SearchResult& out) {
    if (now.vectors) out.space = now.vectors->space;
    if (passages_) {
        VectorQuestion asked = passages_->ask(id, ask.question);
        out.version = version_of(now, asked.answering);
        out.note = std::move(asked.note);
        if (!asked.row.empty()) {
            out.mode = ask.mode;
            out.meaning = passages_->model();
            out.meaning_weight = kModelWeight;
            return {std::move(asked.set), std::move(asked.row)};
        }
        out.note +=
            now.vectors ? " The search went by the meanings of the texts' own space." : " The search went by words.";
    }
    if (!now.vectors) return {};
    out.mode = ask.mode;
    out.meaning = kOwnSpace;
    std::vector<float> place = out.space->place(out.question);
    const bool knows_a_word = std::ranges::any_of(place, [](float one) { return std::abs(one) > 0; });
    return {now.vectors, knows_a_word ? std::move(place) : std::vector<float>{}};
}

Result<SearchResult> Library::search(std::string_view tenant, const SearchAsk& ask) {
    const Tenant now = known(tenant);
    SearchResult out;
    out.version = version_of(now, {});
    out.question = words_of(ask.question);
    TenantId id = now.id;
    if (id == 0) {
        TG_TRY(const Borrowed shelf, Borrowed::take(*this));
        TG_TRY(id, shelf->tenant(tenant));
        if (id == 0) return out;
    }
    // With no shelf in hand: there are few, and a model may take seconds.
    const Meaning meaning = ask.mode == SearchMode::kLexical ? Meaning{} : meaning_of(now, id, ask, out);
    TG_TRY(const Borrowed shelf, Borrowed::take(*this));
    // A text that is replaced meanwhile must not meet the places of the one before.
    TG_TRY(const ReadMoment moment, ReadMoment::begin(*shelf));
    std::vector<Candidate> candidates;
    if (out.mode != SearchMode::kDense) {
        const auto words = asked_words(ask.question, out.question);
        TG_TRY(const auto hits, shelf->index().search(id, words, ask.filter, kCandidates));
        for (const LexicalHit& hit : hits) {
            candidates.push_back({.chunk = hit.chunk, .lexical = hit.score / hits.front().score});
        }
    }
    if (!meaning.place.empty()) {
        std::vector<ChunkId> allowed;
        if (ask.filter.any()) {
            TG_TRY(allowed, shelf->chunks_of_filter(id, ask.filter));
        }
        add_near(*meaning.set, meaning.place, ask.filter.any() ? &allowed : nullptr, candidates);
    }
    TG_CHECK(choose_hits(*shelf, id, std::move(candidates), ask.limit, out));
    return out;
}

}  // namespace tidegate::content
