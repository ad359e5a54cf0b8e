//! A catalogue of one product.

use tonic::{Request, Response, Status};

use crate::proto::products::product_service_server::ProductService;
use crate::proto::products::{GetProductRequest, Product};

/// Sells a chart.
#[derive(Clone, Copy, Debug, Default)]
pub struct Products;

#[tonic::async_trait]
impl ProductService for Products {
    async fn get_product(
        &self,
        request: Request<GetProductRequest>,
    ) -> Result<Response<Product>, Status> {
        let GetProductRequest { sku } = request.into_inner();
        if sku != "chart-1" {
            return Err(Status::not_found(format!("there is no product `{sku}`")));
        }
        Ok(Response::new(Product {
            sku,
            title: "Chart of the Mediterranean".to_owned(),
            price_cents: 129_900,
        }))
    }
}
