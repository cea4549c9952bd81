// Trains the text detector whole: rows, out-of-fold scores, base heads, stack, calibration, bands.
#pragma once

#include <string>

#include "fit_stack.h"

namespace tidegate::provenance::text::training {

struct TrainOptions {
    RowOptions rows;
    FoldOptions folds;
    StackOptions stack;
    std::string date;  // Goes into the model, as it is.
    void (*say)(const std::string& line) = nullptr;
};

struct Trained {
    Model model;
    std::vector<ScoredRow> rows;  // Out of fold, for the card.
    std::size_t documents = 0;
};

/// `data` needs texts of both labels in two prompts at least.
Result<Trained> train_detector(const Dataset& data, const TrainOptions& options);

/// The part of the model card that the training measured, as Markdown.
std::string describe_training(const Trained& trained);

}  // namespace tidegate::provenance::text::training
