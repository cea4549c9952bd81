// What a search is worth: the measures of TREC over a collection with judged questions, in the files of BEIR.
//
// Source      trec_eval: nDCG with linear gain, average precision, recall; BEIR (Thakur et al., NeurIPS 2021) for the files.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "services/content/search/library.h"

namespace tidegate::content {

struct JudgedQuestion {
    std::string id, text;
    std::map<std::string, int, std::less<>> gains;  // Of the judged documents; above 0: relevant.
};

/// `corpus.jsonl`; kNotFound where there is none, kInvalidArgument for what is no such file.
Result<std::vector<Content>> read_corpus(const Disk& disk, const std::string& folder);
/// `queries.HALF.jsonl` with `qrels/HALF.tsv`; questions without a judgement are left out.
Result<std::vector<JudgedQuestion>> read_questions(const Disk& disk, const std::string& folder,
                                                   const std::string& half);

struct RankMeasures {
    double ndcg_10 = 0, map = 0, recall_100 = 0, mrr_10 = 0;
    std::size_t questions = 0;
};
/// Of one ranking, the best first.
RankMeasures measure_ranking(const std::vector<std::string>& ranking, const JudgedQuestion& question);
/// The mean over all questions, 100 hits each.
Result<RankMeasures> measure_search(Library& library, std::string_view tenant,
                                    std::span<const JudgedQuestion> questions, SearchMode mode);

struct AnswerMeasures {
    std::size_t questions = 0, answered = 0;
    std::size_t first_is_relevant = 0;  // Answers whose first citation is of a judged document.
    double p50_ms = 0, p99_ms = 0;      // Search and answer together, one thread.
    std::vector<double> supports;       // Of each question, in order.
};
Result<AnswerMeasures> measure_answers(Library& library, std::string_view tenant,
                                       std::span<const JudgedQuestion> questions, std::size_t limit,
                                       const Clock& clock);

}  // namespace tidegate::content
