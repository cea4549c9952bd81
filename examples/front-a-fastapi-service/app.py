"""A small model service, as many teams have one: a risk score behind FastAPI.

The "model" is a fixed logistic formula; what costs time is the work around it, done 40 times over to stand for a model of
some 4 ms. Start it with: uvicorn app:app --port 9000
"""

import math

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

app = FastAPI()


class Reading(BaseModel):
    rainfall_mm: float = Field(ge=0, le=2000)
    river_stage_m: float = Field(ge=-5, le=50)
    soil_moisture: float = Field(ge=0, le=1)


class Readings(BaseModel):
    items: list[Reading] = Field(min_length=1, max_length=256)


def score(reading: Reading) -> float:
    """Probability of flooding; the loop is the weight of a model."""
    z = 0.0
    for step in range(1, 20_001):
        z += math.tanh(reading.rainfall_mm / (50.0 + step)) / 20_000
    return 1.0 / (1.0 + math.exp(-(4.0 * z + 0.8 * reading.river_stage_m + 2.0 * reading.soil_moisture - 4.0)))


@app.post("/predict")
def predict(reading: Reading) -> dict:
    return {"flood_probability": round(score(reading), 6)}


@app.post("/predict/many")
def predict_many(readings: Readings) -> dict:
    return {"results": [{"flood_probability": round(score(reading), 6)} for reading in readings.items]}


@app.get("/stations/{station_id}")
def station(station_id: int) -> dict:
    if station_id > 1000:
        raise HTTPException(status_code=404, detail="no such station")
    return {"station_id": station_id, "threshold_m": 2.0 + station_id % 7 / 10}
