// What the room's text models are to the protocols: the pieces of model/text_models.h by their short names, and the items of a request.
//
// Threads     Pure.
#pragma once

#include "model/text_models.h"
#include "services/inference/text_request.h"

namespace tidegate::inference {

using model::EncodeWish;
using model::output_of;
using model::pool;
using model::RowTensors;
using model::scores;
using model::tensors_of;
using model::TextModel;
using model::TextModels;

/// The tokens of an item. kInvalidArgument: too long, or no UTF-8.
Result<model::Encoding> encode(const TextModel& model, const TextItem& item, const EncodeWish& wish);

}  // namespace tidegate::inference
