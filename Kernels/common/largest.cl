// The largest of a window's values so far, NaN above all, and its place in the window, the first of equals.
typedef struct {
  V value, place;
} Largest;

INLINE void meet(Largest *largest, V value, int place) {
  VI more = (value > largest->value || value != value) && largest->value == largest->value;
  largest->value = more ? value : largest->value;
  largest->place = more ? (V)(float)place : largest->place;
}
