# nix-build packaging/nix/package.nix: runs the bundle by the deno of nixpkgs. The executable of `deno task compile` cannot be
# used: it carries its program behind its last section, which patchelf destroys. The build of a derivation has no network, so
# dist/ is made before: deno task compile --bundle && deno task man
{ pkgs ? import <nixpkgs> { } }:

pkgs.stdenv.mkDerivation {
  pname = "qj";
  version = (builtins.fromJSON (builtins.readFile ../../deno.json)).version;
  src = ../..;
  nativeBuildInputs = [ pkgs.makeWrapper pkgs.installShellFiles ];
  dontBuild = true;
  installPhase = ''
    runHook preInstall
    mkdir -p $out/share/qj
    cp dist/bundle/* $out/share/qj/
    makeWrapper ${pkgs.deno}/bin/deno $out/bin/qj \
      --add-flags "run --no-prompt --quiet --no-config --allow-all $out/share/qj/main.js" \
      --prefix LD_LIBRARY_PATH : ${pkgs.lib.makeLibraryPath [ pkgs.fuse3 ]} \
      --prefix PATH : ${pkgs.lib.makeBinPath [ pkgs.fuse3 pkgs.util-linux ]}
    installManPage dist/qj.1 dist/qj.5
    runHook postInstall
  '';
  meta = {
    description = "Job queue that is a file system";
    license = pkgs.lib.licenses.mit;
    platforms = [ "x86_64-linux" "aarch64-linux" ];
    mainProgram = "qj";
  };
}
