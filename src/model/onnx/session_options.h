// What we ask of the runtime for a session, from SessionOptions and what the file shows of itself.
#pragma once

#include "base/result.h"
#include "model/backend.h"
#include "model/onnx/model_guard.h"
#include "model/onnx/runtime.h"
#include "model/onnx/session.h"

namespace tidegate::model::onnx {

/// kInvalidArgument: an unknown word or value in `options.more`. `threads` must outlive the session.
Result<Handle<OrtSessionOptions>> make_session_options(const Runtime& runtime, const SessionOptions& options,
                                                       const ModelFacts& facts, OnnxSession::ThreadMaker& threads);

}  // namespace tidegate::model::onnx
