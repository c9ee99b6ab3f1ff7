#!/usr/bin/env bash
# Builds what a browser loads into target/site: the WebAssembly of the islands,
# its glue, one style sheet, the static assets, and compressed copies of each.
# Steps whose inputs did not change are left out.
source "$(dirname "$0")/lib.sh"

site=$root/target/site
pkg=$site/pkg
name=slipway
mkdir -p "$pkg"

# changed OUTPUT INPUT...: whether OUTPUT is missing or older than any of the inputs.
changed() {
  local output=$1
  shift
  [[ ! -e $output ]] || [[ -n $(find "$@" -newer "$output" -print -quit) ]]
}

# publish FILE PLACE: puts FILE at PLACE whole, so that a server never sends half of it.
publish() {
  cp "$1" "$2.new" && mv "$2.new" "$2"
}

compress() {
  local file
  for file in "$@"; do
    brotli --best --force --keep --output="$file.br" "$file"
    gzip --best --no-name --stdout "$file" >"$file.gz"
  done
}

bind() {
  local out=$root/target/site-build
  rm -rf "$out"
  "$(tool wasm-bindgen)" --target web --no-typescript --out-dir "$out" --out-name "$name" "$wasm"
  "$(tool wasm-opt)" -Oz --enable-bulk-memory --enable-nontrapping-float-to-int --enable-sign-ext \
    --enable-mutable-globals --enable-reference-types --enable-multivalue \
    --output "$out/$name.opt.wasm" "$out/${name}_bg.wasm"
  publish "$out/$name.opt.wasm" "$pkg/${name}_bg.wasm"
  # Some islands bring scripts of their own.
  if [[ -d $out/snippets ]]; then
    rm -rf "$pkg/snippets" && cp -r "$out/snippets" "$pkg/snippets"
  fi
  publish "$out/$name.js" "$pkg/$name.js"
  compress "$pkg/$name.js" "$pkg/${name}_bg.wasm"
}

# The oldest browsers that know light-dark(), which the colours are written with.
browsers='chrome 123, edge 123, firefox 120, safari 17.5'

styles() {
  "$(tool lightningcss)" --bundle --minify --targets "$browsers" "$root/style/main.css" --output-file "$pkg/$name.new.css"
  mv "$pkg/$name.new.css" "$pkg/$name.css"
  compress "$pkg/$name.css"
}

assets() {
  cp -r "$root/public/." "$site/"
  local file
  while IFS= read -r -d '' file; do
    compress "$site/$file"
  done < <(cd "$root/public" && find . -type f \( -name '*.svg' -o -name '*.js' -o -name '*.css' -o -name '*.txt' -o -name '*.webmanifest' \) -print0)
  touch "$site/.assets"
}

wasm=$root/target/wasm32-unknown-unknown/wasm-release/app.wasm
step "Building the islands (WebAssembly)" cargo build --locked --manifest-path "$root/Cargo.toml" \
  -p app --lib --target wasm32-unknown-unknown --features hydrate --profile wasm-release
if changed "$pkg/$name.js" "$wasm" "$0"; then step "Shrinking the islands" bind; fi
if changed "$pkg/$name.css" "$root/style" "$0"; then step "Bundling the style sheet" styles; fi
if changed "$site/.assets" "$root/public" "$0"; then step "Copying the assets" assets; fi
note "JavaScript and WebAssembly, compressed: $(cat "$pkg/$name.js.br" "$pkg/${name}_bg.wasm.br" | wc -c) bytes"
