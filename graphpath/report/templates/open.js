// A block or map of a drawing opens where the page holds it, with all that it lies in.
document.addEventListener("click", (event) => {
  const link = event.target.closest("svg.pathway a");
  const place = link && document.getElementById(link.getAttribute("href").slice(1));
  if (!place) return;
  event.preventDefault();
  for (let one = place; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
  place.scrollIntoView({ behavior: "smooth", block: "center" });
});
